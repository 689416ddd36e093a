"""Depthwise convolutions of a program are sums of shifted products, and give what XLA's convolution gives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

import cnnviz_jax as cv
from cnnviz_jax.program.graph.depthwise import depthwise, is_depthwise
from tests.program.plain import check_convolutions, conv, numbers, traced

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere XLA's convolution is fast")

PARAMS = {"lhs_dilation": (1, 1), "batch_group_count": 1, "preferred_element_type": None}


@settings(deadline=None, max_examples=8)
@given(
    layout=st.sampled_from([("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NCHW")]),
    rows=st.integers(5, 9),
    cols=st.integers(5, 9),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    spread=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(st.integers(-1, 2), st.integers(0, 2)),
)
def test_values_and_gradients_are_those_of_xlas_convolution(
    layout: Any, rows: int, cols: int, kernel: Any, stride: Any, spread: Any, pads: Any
) -> None:
    sizes = {"N": 2, "H": rows, "W": cols, "C": 3, "O": 3, "I": 1}
    x = numbers(*(sizes[axis] for axis in layout[0]))
    w = numbers(*((sizes | dict(zip("HW", kernel, strict=True)))[axis] for axis in layout[1]))
    spec = lax.conv_dimension_numbers(x.shape, w.shape, layout)
    own = {
        "window_strides": stride, "padding": (pads, pads[::-1]), "rhs_dilation": spread, "dimension_numbers": spec,
        "feature_group_count": 3,
    }  # fmt: skip
    assert is_depthwise(PARAMS | own, x, w)

    def plain(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, **own)

    expected, back = jax.vjp(plain, x, w)
    found, own_back = jax.vjp(lambda x, w: depthwise(x, w, PARAMS | own), x, w)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for left, right in zip(own_back(expected), back(expected), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


@on_cpu
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "in a jitted function"])
def test_a_programs_depthwise_convolutions_are_sums_and_only_those(wrap: Any) -> None:
    def apply(params: Any, x: Any) -> Any:
        own, shared = params
        return wrap(lambda x: conv(conv(x, own, 2, "SAME", groups=3), shared))(x).sum((1, 2))

    params, x = (numbers(3, 3, 1, 3), numbers(1, 1, 3, 5)), numbers(1, 9, 9, 3)
    check_convolutions(apply, params, x, left=1, atol=1e-5)


@on_cpu
def test_windows_of_an_occluded_image_take_them_too_where_a_part_is_recomputed_and_where_all_is() -> None:
    def apply(params: Any, x: Any) -> Any:
        for kernel in params:
            x = conv(x, kernel, padding="SAME", groups=3)
        return x.sum((1, 2))

    params, x = tuple(numbers(3, 3, 1, 3) + k for k in range(4)), numbers(1, 9, 9, 3)
    windows = traced(apply, params, (9, 9, 3)).windows(([(3, 6)], [(3, 6)]))
    place, dark = (jnp.int32(0), jnp.int32(0)), jnp.zeros_like(x)

    def occluded(x: Any) -> Any:
        return next(iter(windows.evaluate(params, x, dark, windows.prepare(params, x), place).values()))

    assert "conv_general_dilated" not in str(jax.make_jaxpr(occluded)(x))
    expected = apply(params, x.at[:, 3:6, 3:6].set(0))
    np.testing.assert_allclose(occluded(x), expected, rtol=1e-4)


@on_cpu
def test_a_gradient_computes_each_sum_once_and_not_at_each_place_of_the_next_kernel() -> None:
    def apply(params: Any, x: Any) -> Any:
        mixing, own, last = params
        x = jax.nn.relu6(conv(x, mixing, padding="SAME"))
        x = jax.nn.relu6(conv(x, own, padding="SAME", groups=64))
        return conv(x, last, padding="SAME").sum((1, 2))

    params, x = (numbers(1, 1, 2, 64), numbers(3, 3, 1, 64), numbers(1, 1, 64, 1)), numbers(1, 32, 32, 2)
    program = traced(apply, params, (32, 32, 2))

    def score(params: Any, x: Any) -> Any:
        return program.run(params, x)[0][0, 1]

    compiled = jax.jit(jax.value_and_grad(score, argnums=1)).lower(params, x).compile()
    products = (
        9 * 32 * 32 * 64
    )  # 2 operations each forward and 2 backward; 2.7 are the rest, and computed anew it is 8.4
    assert 4 * products < compiled.cost_analysis()["flops"] < 7.5 * products


@on_cpu
def test_the_scores_of_a_model_take_them_as_its_explanations_do() -> None:
    def apply(kernel: Any, x: Any) -> Any:
        return conv(x, kernel, padding="SAME", groups=3).sum((1, 2))

    kernel, x = numbers(3, 3, 1, 3), jnp.abs(numbers(2, 9, 9, 3)) % 1
    model = cv.adapt(apply, kernel, input_shape=(9, 9, 3))
    assert "conv_general_dilated" not in str(jax.make_jaxpr(model)(x))
    np.testing.assert_allclose(model(x), apply(kernel, x), rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"feature_group_count": 1},
        {"lhs_dilation": (2, 2)},
        {"preferred_element_type": jnp.bfloat16},
        {"left": jnp.zeros((1, 9, 9, 3), jnp.bfloat16)},
        {"right": jnp.zeros((3, 3, 1, 6))},
        {"right": jnp.zeros((7, 7, 1, 3))},
    ],
    ids=["one group", "spread-out image", "rounded sums", "rounded image", "two results a channel", "large kernel"],
)
def test_other_convolutions_are_left_to_xla(change: dict[str, Any]) -> None:
    left, right = jnp.zeros((1, 9, 9, 3)), jnp.zeros((3, 3, 1, 3))
    spec = lax.conv_dimension_numbers(left.shape, right.shape, ("NHWC", "HWIO", "NHWC"))
    given = PARAMS | {"dimension_numbers": spec, "feature_group_count": 3, "left": left, "right": right}
    assert is_depthwise(given, given["left"], given["right"])
    changed = given | change
    assert not is_depthwise(changed, changed["left"], changed["right"])
