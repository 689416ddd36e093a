"""Kernels are found and turned to HWIO whatever the model does to its parameters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnviz_jax.errors import LayerKindError
from tests.program.plain import conv, ones, traced

KERNEL = jax.random.normal(jax.random.key(0), (3, 5, 2, 4))  # h w in out


def spelled(layout: str, kernel_layout: str) -> Callable[[Any, Any], Any]:
    def apply(p: Any, x: Any) -> Any:
        x = jnp.transpose(x, ["NHWC".index(axis) for axis in layout])
        return lax.conv_general_dilated(
            x, p["conv"]["weight"], (1, 1), "SAME", dimension_numbers=(layout, kernel_layout, layout)
        )

    return apply


@pytest.mark.parametrize("kernel_layout", ["HWIO", "OIHW", "IOHW", "WHIO", "OHWI"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "CHWN"])
def test_every_kernel_layout_becomes_hwio(layout: str, kernel_layout: str) -> None:
    weight = jnp.transpose(KERNEL, ["HWIO".index(axis) for axis in kernel_layout])
    program = traced(spelled(layout, kernel_layout), {"conv": {"weight": weight}}, (8, 8, 2))
    np.testing.assert_array_equal(program.kernel("conv", {"conv": {"weight": weight}}), KERNEL)
    assert program.layers["conv"].kernel.paths == ("conv.weight",)
    assert program.layers["conv"].kernel.shape == KERNEL.shape


def test_rows_of_the_kernel_are_those_of_the_image_also_where_the_model_swaps_axes() -> None:
    def apply(p: Any, x: Any) -> Any:
        x = jnp.swapaxes(x, 1, 2)  # n w h c
        return conv(x, jnp.swapaxes(p, 0, 1), 1, "SAME")

    program = traced(apply, KERNEL, (8, 6, 2))
    np.testing.assert_array_equal(program.kernel("conv", KERNEL), KERNEL)
    assert program.layers["conv"].axes == "NWHC"
    assert program.layers["conv"].canonical_shape == (8, 6, 4)


def test_a_cast_transposed_and_standardised_kernel_is_the_one_that_acts() -> None:
    def standardised(weight: Any) -> Any:
        weight = jnp.transpose(weight, (2, 3, 1, 0)).astype(jnp.float32)
        return (weight - weight.mean((0, 1, 2))) / jnp.sqrt(weight.var((0, 1, 2)) + 1e-5)

    weight = jnp.transpose(KERNEL, (3, 2, 0, 1)).astype(jnp.bfloat16)
    params = {"block": {"conv": {"weight": weight, "gain": ones(4)}}}

    def apply(p: Any, x: Any) -> Any:
        return conv(x, standardised(p["block"]["conv"]["weight"]) * p["block"]["conv"]["gain"])

    program = traced(apply, params, (8, 8, 2))
    assert list(program.layers) == ["block.conv"]
    np.testing.assert_allclose(program.kernel("block.conv", params), standardised(weight), atol=1e-6)
    assert program.layers["block.conv"].kernel.paths == ("block.conv.gain", "block.conv.weight")


@pytest.mark.parametrize(("groups", "inputs"), [(4, 1), (2, 2)])
def test_a_grouped_kernel_has_the_channels_of_one_group(groups: int, inputs: int) -> None:
    weight = jax.random.normal(jax.random.key(1), (3, 3, inputs, 4))
    program = traced(lambda p, x: conv(x, p["dw"]["kernel"], groups=groups), {"dw": {"kernel": weight}}, (8, 8, 4))
    np.testing.assert_array_equal(program.kernel("dw", {"dw": {"kernel": weight}}), weight)
    assert program.layers["dw"].kernel.groups == groups


@pytest.mark.parametrize(
    "product", [lambda x, w: x @ w, lambda x, w: jnp.einsum("nc,ck->nk", x, w), lambda x, w: (w.T @ x[0])[None]]
)
def test_a_dense_kernel_is_in_out(product: Callable[[Any, Any], Any]) -> None:
    weight = jax.random.normal(jax.random.key(1), (2, 5))
    params = {"fc": {"weight": weight, "bias": ones(5)}}
    program = traced(lambda p, x: product(x.mean((1, 2)), p["fc"]["weight"]) + p["fc"]["bias"], params, (8, 8, 2))
    np.testing.assert_array_equal(program.kernel("fc", params), weight)
    assert program.layers["fc"].kind == "dense"
    x = jax.random.normal(jax.random.key(2), (1, 8, 8, 2))
    value = program.run(params, x, read=["fc"], need_outputs=False)[1]["fc"]
    np.testing.assert_allclose(value[0], x.mean((1, 2))[0] @ weight + 1, atol=1e-5)


def test_a_torch_weight_is_turned_to_in_out() -> None:
    weight = jax.random.normal(jax.random.key(1), (5, 2))
    program = traced(lambda p, x: x.mean((1, 2)) @ p["fc"]["weight"].T, {"fc": {"weight": weight}}, (8, 8, 2))
    np.testing.assert_array_equal(program.kernel("fc", {"fc": {"weight": weight}}), weight.T)


def test_kernels_of_a_scan_are_its_slices_and_may_be_asked_for_under_jit() -> None:
    weight = jax.random.normal(jax.random.key(1), (3, 3, 3, 2, 2))

    def apply(p: Any, x: Any) -> Any:
        return lax.scan(lambda x, k: (conv(x, k, 1, "SAME"), None), x, p["blocks"]["kernel"])[0]

    params = {"blocks": {"kernel": weight}}
    program = traced(apply, params, (8, 8, 2))
    kernels = [name for name, layer_node in program.layers.items() if layer_node.kernel is not None]
    assert len(kernels) == 3
    for k, name in enumerate(kernels):
        np.testing.assert_array_equal(jax.jit(lambda p, name=name: program.kernel(name, p))(params), weight[k])


def test_a_layer_without_a_kernel_says_so() -> None:
    program = traced(lambda p, x: jax.nn.relu(conv(x, p)), KERNEL, (8, 8, 2))
    with pytest.raises(LayerKindError, match="layer 'relu' is of kind 'relu' and has no kernel of its own"):
        program.kernel("relu", KERNEL)


def test_a_product_of_two_image_dependent_values_is_no_dense_layer() -> None:
    def attention(p: Any, x: Any) -> Any:
        tokens = x.reshape(1, -1, 2) @ p["qk"]["kernel"]
        return jax.nn.softmax(tokens @ jnp.swapaxes(tokens, 1, 2)) @ tokens

    layers = traced(attention, {"qk": {"kernel": ones(2, 4)}}, (4, 4, 2)).layers
    assert [name for name, layer_node in layers.items() if layer_node.kind == "dense"] == ["qk"]
