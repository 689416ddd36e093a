"""What reducers ask of a map's positions: extremes, sums, and the first place of the highest, as NumPy has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.engine.reducers.over_positions import extremes, first_place, position_sums

COUNTS = (1, 2, 15, 16, 17, 37, 49, 64, 221, 289, 1024)
"""Positions: squares, primes, and products that no table of sixteen rows divides."""


def maps(count: int, units: int = 5) -> np.ndarray:
    """Return maps with ties, negative zeros, and units that are 0 everywhere."""
    x = np.random.default_rng(count).integers(-4, 3, (3, count, units)).astype(np.float32)
    x[0, ::2] *= -1.0  # some zeros become -0.0
    x[1, :, 0] = 0.0
    return x


@pytest.mark.parametrize("count", COUNTS)
def test_the_first_place_of_the_highest_is_numpys(count):
    x = maps(count)
    lowest, highest, finite = extremes(jnp.asarray(x))
    np.testing.assert_array_equal(lowest, x.min(1))
    np.testing.assert_array_equal(highest, x.max(1))
    assert np.all(finite)
    np.testing.assert_array_equal(first_place(jnp.asarray(x), highest), x.argmax(1))


def test_a_negative_zero_before_a_zero_is_as_high():
    x = np.full((1, 40, 1), -1.0, np.float32)
    x[0, 7], x[0, 30] = -0.0, 0.0
    values = jnp.asarray(x)
    assert int(first_place(values, extremes(values)[1])[0, 0]) == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 31, 63])
def test_extremes_are_of_what_is_finite(value, at):
    x = maps(64)
    x[1, at, 2] = value
    lowest, highest, finite = extremes(jnp.asarray(x))
    kept = np.ma.masked_invalid(x)
    np.testing.assert_array_equal(lowest, kept.min(1))
    np.testing.assert_array_equal(highest, kept.max(1))
    assert np.argwhere(~np.asarray(finite)).tolist() == [[1, 2]]


def test_a_map_without_a_finite_value_has_none():
    lowest, highest, finite = extremes(jnp.full((1, 6, 1), jnp.nan, jnp.float32))
    assert (float(lowest[0, 0]), float(highest[0, 0]), bool(finite[0, 0])) == (np.inf, -np.inf, False)


@pytest.mark.parametrize("count", COUNTS)
def test_sums_over_positions_do_not_depend_on_what_else_is_in_the_batch(count):
    x = np.random.default_rng(1).normal(size=(5, count, 6)).astype(np.float32)

    first = jax.jit(lambda part: position_sums(part)[0])  # the second is read by nobody
    whole = np.asarray(first(jnp.asarray(x)))
    np.testing.assert_allclose(whole, x.astype(np.float64).sum(1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(position_sums(jnp.asarray(x))[1], (x.astype(np.float64) ** 2).sum(1), rtol=1e-5)
    for part in (slice(1, 3), slice(0, 1), slice(2, 5)):
        np.testing.assert_array_equal(first(jnp.asarray(x[part])), whole[part])
