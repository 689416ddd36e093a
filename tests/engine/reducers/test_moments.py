from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.engine.reducers import Moments, exact_limbs, exact_means, exact_totals, normalised
from tests.engine.reducers.datasets import LAYER, SHAPE, gathered, same, table

REDUCER = Moments(layer=LAYER, shape=SHAPE)


def every_size(count=500, seed=0):
    """Finite float32 numbers of every exponent and sign, subnormals and both zeros among them."""
    bits = np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)
    x = bits.view(np.float32)
    x = x[np.isfinite(x)]
    extremes = [0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38]
    return np.concatenate([x, np.asarray(extremes, np.float32)])


def test_digits_are_the_number_itself():
    x = every_size()
    limbs = np.asarray(jax.jit(exact_limbs)(jnp.asarray(x)))
    assert (np.abs(limbs) < 2**16).all()
    for number, total in zip(x, exact_totals(limbs), strict=True):
        assert Fraction(total, 2**149) == Fraction(float(number))


def test_sums_are_exact_in_any_order():
    x = every_size()
    limbs = np.asarray(exact_limbs(jnp.asarray(x)), np.int64)
    forward = normalised(limbs.sum(0))
    assert Fraction(exact_totals(forward[None])[0], 2**149) == sum(Fraction(float(number)) for number in x)
    order = np.random.default_rng(1).permutation(len(x))
    backward = np.zeros_like(forward)
    for i in order:
        backward = normalised(backward + limbs[i])
    np.testing.assert_array_equal(forward, backward)


def test_mean_and_variance_are_those_of_the_table():
    values = table(20)
    found = REDUCER.finish(gathered(REDUCER, values, np.arange(20), 6, devices=2))
    np.testing.assert_allclose(found["mean"], values.mean((0, 1, 2), np.float64), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["variance"], values.astype(np.float64).var((0, 1, 2)), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found["count"], 240)


def test_images_that_are_not_finite_are_left_out_and_counted():
    values = table()
    found = REDUCER.finish(gathered(REDUCER, values, np.arange(40), 7))
    finite = np.isfinite(values).all((1, 2))
    np.testing.assert_array_equal(found["nonfinite"], (~finite).sum(0))
    expected = [values[finite[:, unit], ..., unit].mean(dtype=np.float64) for unit in range(5)]
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-6, atol=1e-9)


def test_order_batches_and_merges_change_no_bit():
    values = table(40, seed=5)
    order = np.random.default_rng(3).permutation(40)
    whole = gathered(REDUCER, values, np.arange(40), 40)
    same(whole, gathered(REDUCER, values[order], order, 3, devices=4))
    parts = [gathered(REDUCER, values[a : a + 20], np.arange(a, a + 20), 6) for a in (20, 0)]
    same(whole, REDUCER.merge([*parts, REDUCER.empty()]))


def test_digits_hold_as_many_images_as_the_capacity_says():
    most = np.full((1, 1), np.float32(np.finfo(np.float32).max))
    digits = np.abs(np.asarray(exact_limbs(jnp.asarray(most)))).max()
    assert int(digits) * REDUCER.capacity < 2**31


def test_nothing_seen_is_zero_and_not_nan():
    found = REDUCER.finish(REDUCER.empty())
    np.testing.assert_array_equal(found["mean"], 0)
    np.testing.assert_array_equal(found["variance"], 0)


@pytest.mark.parametrize("rows", ["alike", "alike and negative", "zeros", "of every size", "mixed"])
def test_means_of_exact_sums_are_rounded_once_whatever_their_size(rows: str) -> None:
    rng = np.random.default_rng(2)
    alike = np.exp(rng.normal(size=(400, 5))).astype(np.float32)
    sizes = np.resize(every_size(), (120, 5)).astype(np.float32)
    some = {"alike": alike, "alike and negative": np.concatenate([alike, -alike[:20]]), "zeros": 0 * alike,
            "of every size": sizes, "mixed": np.concatenate([alike, sizes, -alike[:20]])}  # fmt: skip
    x = some[rows]
    digits = np.asarray(exact_limbs(jnp.asarray(x)), np.int64).sum(1)
    sums = normalised(digits)
    assert (sums[:, :-1] >= 0).all()
    assert (sums[:, :-1] < 2**16).all()
    np.testing.assert_array_equal(exact_totals(sums), exact_totals(digits))
    count = rng.integers(0, 7, len(x))
    wanted = [int(total) / (int(n) << 149) if n else 0.0 for total, n in zip(exact_totals(sums), count, strict=True)]
    np.testing.assert_array_equal(exact_means(sums, count), wanted)
