"""Convolutions of few channels are products of matrices, and give what XLA's convolution gives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

import cnnviz_jax as cv
from cnnviz_jax.program.graph.narrow import is_narrow, narrow
from tests.program.plain import check_convolutions, conv, numbers

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere XLA's convolution is fast")

PARAMS = {
    "lhs_dilation": (1, 1), "rhs_dilation": (1, 1), "feature_group_count": 1, "batch_group_count": 1,
    "preferred_element_type": None, "precision": None,
}  # fmt: skip


def described(x: Any, w: Any, layout: Any, **changed: Any) -> dict[str, Any]:
    spec = lax.conv_dimension_numbers(x.shape, w.shape, layout)
    return PARAMS | {"window_strides": (1, 1), "padding": ((1, 1), (1, 1)), "dimension_numbers": spec} | changed


@settings(deadline=None, max_examples=12)
@given(
    layout=st.sampled_from([("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NCHW")]),
    rows=st.integers(42, 45),
    cols=st.integers(28, 33),
    kernel=st.tuples(st.integers(1, 5), st.integers(2, 5)),
    stride=st.integers(1, 2),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 7)),
    pads=st.tuples(st.integers(-2, 3), st.integers(0, 4)),
)
def test_values_and_gradients_are_those_of_xlas_convolution(
    layout: Any, rows: int, cols: int, kernel: Any, stride: int, channels: Any, pads: Any
) -> None:
    sizes = {"N": 2, "H": rows, "W": cols, "C": channels[0], "O": channels[1], "I": channels[0]}
    x = numbers(*(sizes[axis] for axis in layout[0]))
    w = numbers(*((sizes | dict(zip("HW", kernel, strict=True)))[axis] for axis in layout[1]))
    own = described(x, w, layout, window_strides=(stride, 1), padding=(pads, pads[::-1]))
    assert is_narrow(own, x, w)

    def plain(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, **own)

    expected, back = jax.vjp(plain, x, w)
    found, own_back = jax.vjp(lambda x, w: narrow(x, w, own), x, w)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for left, right in zip(own_back(expected), back(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("changed", "shape"),
    [
        ({"window_strides": (1, 2)}, (3, 3, 3, 8)),
        ({"rhs_dilation": (1, 2)}, (3, 3, 3, 8)),
        ({"rhs_dilation": (2, 1)}, (3, 3, 3, 8)),
        ({"lhs_dilation": (2, 1)}, (3, 3, 3, 8)),
        ({"feature_group_count": 3}, (3, 3, 1, 9)),
        ({}, (3, 3, 3, 33)),
        ({}, (7, 7, 3, 8)),
        ({}, (3, 1, 3, 8)),
    ],
)
def test_others_are_left_to_xla(changed: Any, shape: tuple[int, ...]) -> None:
    x, w = numbers(1, 24, 24, 3), numbers(*shape)
    assert not is_narrow(described(x, w, ("NHWC", "HWIO", "NHWC"), **changed), x, w)
    assert is_narrow(described(x, numbers(3, 3, 3, 8), ("NHWC", "HWIO", "NHWC")), x, numbers(3, 3, 3, 8))


def test_small_maps_many_channels_and_half_precision_are_left_to_xla() -> None:
    for x, kind in ((numbers(1, 19, 19, 3), jnp.float32), (numbers(1, 24, 24, 5), jnp.float32),
                    (numbers(1, 24, 24, 3), jnp.bfloat16)):  # fmt: skip
        x, w = x.astype(kind), numbers(3, 3, x.shape[-1], 8).astype(kind)
        assert not is_narrow(described(x, w, ("NHWC", "HWIO", "NHWC")), x, w)


@on_cpu
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "in a jitted function"])
def test_a_programs_convolutions_of_few_channels_are_products_and_only_those(wrap: Any) -> None:
    def apply(params: Any, x: Any) -> Any:
        first, second = params
        return wrap(lambda x: conv(jax.nn.relu(conv(x, first, padding="SAME")), second))(x).sum((1, 2))

    params, x = (numbers(5, 5, 1, 6), numbers(5, 5, 6, 16)), numbers(1, 28, 28, 1)
    check_convolutions(apply, params, x, left=1, atol=1e-3)


@on_cpu
def test_explanations_and_occlusion_are_those_of_the_models_own_convolution() -> None:
    params, x = (numbers(3, 3, 1, 4), numbers(3, 3, 4, 3)), np.abs(np.asarray(numbers(2, 24, 24, 1))) / 4

    def apply(params: Any, x: Any) -> Any:
        first, second = params
        return conv(jax.nn.relu(conv(x, first, padding="SAME")), second, 2).mean((1, 2))

    model = cv.adapt(apply, params, input_shape=(24, 24, 1))
    np.testing.assert_allclose(model(x), apply(params, x), rtol=1e-4, atol=1e-5)
    saliency = np.asarray(cv.explain("saliency", model, x, 1, progress=False).values)[..., 0]
    expected = np.abs(jax.grad(lambda x: apply(params, x)[:, 1].sum())(jnp.asarray(x)))[..., 0]
    np.testing.assert_allclose(np.abs(saliency), expected, rtol=1e-3, atol=1e-5)
    heat = cv.explain("occlusion", model, x[:1], 1, window=8, stride=8, fill=0.0, progress=False)
    whole = np.asarray(apply(params, x[:1]))[0, 1]
    for row, col in np.ndindex(3, 3):
        dark = x[:1].copy()
        dark[:, 8 * row : 8 * row + 8, 8 * col : 8 * col + 8] = 0
        fall = whole - np.asarray(apply(params, dark))[0, 1]
        np.testing.assert_allclose(heat.low_res[0][row, col], fall, rtol=1e-3, atol=1e-5)
