"""Max pools of a program send their gradient where XLA's do, whatever their window, strides and padding."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from cnnviz_jax.compiling import compiled, compiling_quickly, is_to_be_compiled_quickly, traced_to_be_compiled
from cnnviz_jax.program.rewrites.max_pool import PoolWindows, max_pool
from tests.program.plain import traced

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="pools are compared on a CPU only")


PAIRS = PoolWindows((1, 2, 2, 1), (1, 2, 2, 1), ((0, 0),) * 4, (1, 1, 1, 1))


def xla_pool(x: Any, window: int, stride: int, padding: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, window, window, 1), (1, stride, stride, 1), padding)


def gradient(pool: Callable[[Any], Any], x: Any, weights: Any) -> np.ndarray:
    return np.asarray(jax.grad(lambda x: (pool(x) * weights).sum())(x))


def test_the_first_of_equal_values_takes_the_gradient() -> None:
    x = jnp.array([[1.0, 1.0], [0.0, 1.0]]).reshape(1, 2, 2, 1)
    sent = gradient(lambda x: max_pool(x, PAIRS), x, jnp.float32(5.0))
    np.testing.assert_array_equal(sent[0, :, :, 0], [[5, 0], [0, 0]])


@settings(deadline=None, max_examples=12)
@given(
    rows=st.integers(3, 9),
    cols=st.integers(3, 9),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    low=st.integers(0, 2),
    high=st.integers(0, 2),
    values=st.integers(2, 9),
)
def test_the_gradient_is_xlas_with_ties_overlaps_and_padding(
    rows: int, cols: int, window: int, stride: int, low: int, high: int, values: int
) -> None:
    low, high = min(low, window - 1), min(high, window - 1)
    if min(rows, cols) + low + high < window:
        return
    rng = np.random.default_rng([rows, cols, window, stride, values])
    x = jnp.asarray(rng.integers(0, values, (2, rows, cols, 3)), jnp.float32)
    padding = ((0, 0), (low, high), (high, low), (0, 0))
    weights = jnp.asarray(rng.integers(-8, 9, xla_pool(x, window, stride, padding).shape), jnp.float32)
    windows = PoolWindows((1, window, window, 1), (1, stride, stride, 1), padding, (1, 1, 1, 1))
    expected = gradient(lambda x: xla_pool(x, window, stride, padding), x, weights)
    np.testing.assert_array_equal(gradient(lambda x: max_pool(x, windows), x, weights), expected)
    np.testing.assert_array_equal(max_pool(x, windows), xla_pool(x, window, stride, padding))


@on_cpu
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "in a jitted function"])
def test_a_programs_pools_are_compared_and_give_the_same_gradient(wrap: Callable[[Any], Any]) -> None:
    def apply(params: Any, x: Any) -> Any:
        return wrap(lambda x: xla_pool(x, 3, 2, "SAME"))(jnp.sin(x * params)).sum((1, 2))

    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 9, 9, 3)), jnp.float32)
    program = traced(apply, jnp.float32(2.0), (9, 9, 3))

    def score(x: Any) -> Any:
        return program.run(jnp.float32(2.0), x)[0][0, 1]

    text = str(jax.make_jaxpr(jax.grad(score))(x))
    assert "select_and_scatter" not in text
    assert "select_and_gather" not in text
    np.testing.assert_array_equal(jax.grad(score)(x), jax.grad(lambda x: apply(jnp.float32(2.0), x)[0, 1])(x))


@on_cpu
@pytest.mark.parametrize("reason", ["a large window", "its own gradient", "a remat"])
def test_what_cannot_be_compared_is_left_to_xla(reason: str) -> None:
    @jax.custom_vjp
    def own(x: Any) -> Any:
        return xla_pool(x, 2, 2, "VALID")

    own.defvjp(lambda x: (own(x), x), lambda x, signal: (jnp.full_like(x, 7.0),))
    pools: dict[str, Callable[[Any], Any]] = {
        "a large window": lambda x: xla_pool(x, 8, 1, "VALID"),
        "its own gradient": own,
        "a remat": jax.checkpoint(lambda x: xla_pool(x, 2, 2, "VALID")),
    }

    def apply(params: Any, x: Any) -> Any:
        return pools[reason](x * params).sum((1, 2))

    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 1)), jnp.float32)
    program = traced(apply, jnp.float32(2.0), (8, 8, 1))
    found = jax.grad(lambda x: program.run(jnp.float32(2.0), x)[0][0, 0])(x)
    np.testing.assert_array_equal(found, jax.grad(lambda x: apply(jnp.float32(2.0), x)[0, 0])(x))


def test_forward_mode_and_vmap_agree_with_reverse_mode() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 1, 6, 6, 2)), jnp.float32)
    direction = jnp.asarray(np.random.default_rng(1).normal(size=(1, 6, 6, 2)), jnp.float32)

    def score(x: Any) -> Any:
        return (max_pool(x, PAIRS) ** 2).sum()

    along = jax.vmap(lambda x: jax.jvp(score, (x,), (direction,))[1])(x)
    np.testing.assert_allclose(along, [(jax.grad(score)(one) * direction).sum() for one in x], rtol=1e-5)


def test_pools_with_dilation_have_a_gradient_which_jax_has_not() -> None:
    def apply(params: Any, x: Any) -> Any:
        pooled = lax.reduce_window(
            x * params, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID", window_dilation=(1, 2, 3, 1)
        )
        return (pooled * weights).sum((1, 2))

    rng = np.random.default_rng(0)
    x, weights = (jnp.asarray(rng.normal(size=(1, *size, 1)), jnp.float32) for size in ((6, 7), (4, 4)))
    program = traced(apply, jnp.float32(1.0), (6, 7, 1))
    found = jax.grad(lambda x: program.run(jnp.float32(1.0), x)[0][0, 0])(x)
    expected = np.zeros((6, 7), np.float32)
    for row in range(4):
        for col in range(4):
            at = max(((row + i, col + j) for i in (0, 2) for j in (0, 3)), key=lambda at: x[0, at[0], at[1], 0])
            expected[at] += weights[0, row, col, 0]
    np.testing.assert_allclose(found[0, :, :, 0], expected, rtol=1e-6)


@on_cpu
def test_a_program_that_is_compiled_quickly_leaves_its_pools_to_xla_to_the_same_numbers() -> None:
    image = jnp.asarray(np.random.default_rng(3).integers(0, 4, (1, 8, 8, 2)), jnp.float32)

    def network(params: Any, x: Any) -> Any:
        return (xla_pool(x, 2, 2, ((0, 0),) * 4) ** 2).sum((1, 2)) * params

    program = traced(network, jnp.ones(2), (8, 8, 2))

    found = {}
    for quickly in (True, False):
        sent = jax.grad(lambda x: program.run(jnp.ones(2), x)[0].sum())  # a new one: JAX keeps traces by function
        with traced_to_be_compiled(quickly=quickly):
            assert ("select_and_scatter_add" in str(jax.make_jaxpr(sent)(image))) == quickly
            found[quickly] = sent(image)
    np.testing.assert_array_equal(found[True], found[False])
    assert np.any(found[True])


@on_cpu
@pytest.mark.parametrize(("evaluations", "quickly"), [(1, True), (64, False), (None, False)])
def test_how_many_evaluations_a_call_takes_decides_what_its_trace_is_told(evaluations, quickly) -> None:
    said = []

    def function(x: Any) -> Any:
        said.append(is_to_be_compiled_quickly())
        return x

    with compiling_quickly():
        compiled(function, ("told", evaluations), (jnp.zeros(3),), evaluations=evaluations)
    assert said == [quickly]
    assert not is_to_be_compiled_quickly()
