import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.engine.reducers import LogHistogram, histogram, quantiles
from cnnviz_jax.errors import UsageError
from tests.engine.reducers.datasets import LAYER, SHAPE, gathered, same, table

REDUCER = LogHistogram(layer=LAYER, shape=SHAPE)


def brute_force(reducer, values):
    """Look every finite value up in the edges, zero's own bin apart."""
    edges, zero = reducer.edges, reducer.inner + 2
    count = np.zeros((values.shape[-1], reducer.bins), np.int64)
    for unit in range(values.shape[-1]):
        for value in values[..., unit].ravel():
            if not np.isfinite(value):
                continue
            if value == 0:
                at = zero
            elif value > 0:
                at = int(np.searchsorted(edges[zero + 1 :], value, side="right")) + zero
            else:
                at = 2 * zero - (int(np.searchsorted(edges[zero + 1 :], -value, side="right")) + zero)
            count[unit, at] += 1
    return count


@pytest.mark.parametrize("bins_per_octave", [1, 4, 16])
def test_bins_equal_a_search_through_the_edges(bins_per_octave):
    reducer = LogHistogram(layer=LAYER, shape=SHAPE, bins_per_octave=bins_per_octave, low=-3, high=2)
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(25, *SHAPE)) * 10.0 ** rng.integers(-4, 3, (25, *SHAPE))).astype(np.float32)
    values[:3] = table(3)
    values[3, 0, 0] = [4.0, -4.0, 0.125, -0.125, 1e-45]  # on the borders, and a subnormal
    found = reducer.finish(gathered(reducer, values, np.arange(25), 8))
    np.testing.assert_array_equal(found["count"], brute_force(reducer, values))


@pytest.mark.parametrize(("channels", "at_once"), [(3, 64), (5, 100), (64, 64), (1, 1 << 16)])
def test_the_cpus_steps_count_what_one_step_counts(channels, at_once, monkeypatch):
    monkeypatch.setattr(histogram, "_AT_ONCE", at_once)
    reducer = LogHistogram(layer=LAYER, shape=(5, 9, channels))
    x = np.random.default_rng(0).normal(size=(4, 45, channels)).astype(np.float32)
    x[0, :3, 0], x[1, 7] = [0.0, -0.0, np.nan], np.inf
    valid = jnp.asarray([True, False, True, True])
    table = reducer.init()["table"] + 1
    one = reducer._counted(table, jnp.asarray(x), valid)
    steps = reducer._counted_in_steps(table, jnp.asarray(x), valid)
    np.testing.assert_array_equal(steps[:-1], one[:-1])  # the last is for padding, which steps add to
    wanted = brute_force(reducer, x[[0, 2, 3]])
    np.testing.assert_array_equal(np.asarray(one)[:-1].reshape(channels, -1)[:, :-1] - 1, wanted)


def test_every_value_is_counted_exactly_once():
    values = table()
    found = REDUCER.finish(gathered(REDUCER, values, np.arange(40), 7, devices=3))
    np.testing.assert_array_equal(found["count"].sum(1) + found["nonfinite"], 40 * 12)
    np.testing.assert_array_equal(found["nonfinite"], (~np.isfinite(values)).sum((0, 1, 2)))
    finite = np.where(np.isfinite(values), values, 0)
    np.testing.assert_array_equal(found["maximum"], finite.max((0, 1, 2)))
    np.testing.assert_array_equal(found["minimum"], finite.min((0, 1, 2)))
    np.testing.assert_array_equal(found["fire_rate"], (finite > 0).sum((0, 1, 2)) / found["count"].sum(1))


def test_order_batches_and_merges_change_no_bit():
    values = table()
    order = np.random.default_rng(3).permutation(40)
    whole = gathered(REDUCER, values, np.arange(40), 40)
    same(whole, gathered(REDUCER, values[order], order, 3, devices=4))
    parts = [gathered(REDUCER, values[a : a + 20], np.arange(a, a + 20), 6) for a in (20, 0)]
    same(whole, REDUCER.merge([*parts, REDUCER.empty()]))


def test_counts_go_past_32_bits():
    total = gathered(REDUCER, table(), np.arange(40), 40)
    big = {**total, "count": total["count"] + 2**31}
    merged = REDUCER.merge([big, big, total])
    np.testing.assert_array_equal(merged["count"], 3 * total["count"] + 2**32)


def test_a_delta_is_flushed_before_a_bin_could_overflow():
    reducer = LogHistogram(layer=LAYER, shape=(112, 112, 64))
    assert reducer.capacity == (2**31 - 1) // (112 * 112)


@pytest.mark.parametrize(("bins_per_octave", "share"), [(2, 0.22), (4, 0.12), (8, 0.06)])
def test_quantiles_are_as_good_as_promised(bins_per_octave, share):
    reducer = LogHistogram(layer=LAYER, shape=(2,), bins_per_octave=bins_per_octave)
    values = np.random.default_rng(0).lognormal(size=(2000, 2)).astype(np.float32)
    values[:, 1] *= -1
    q = [0.01, 0.25, 0.5, 0.75, 0.99]
    found = quantiles(reducer.finish(gathered(reducer, values, np.arange(2000), 500)), q)
    np.testing.assert_allclose(found, np.quantile(values, q, axis=0).T, rtol=share)


def test_quantiles_of_nothing_and_of_one_value():
    nothing = REDUCER.finish(REDUCER.empty())
    np.testing.assert_array_equal(quantiles(nothing, [0.5]), np.zeros((5, 1)))
    one = REDUCER.finish(gathered(REDUCER, np.full((1, *SHAPE), 3.7, np.float32), np.arange(1), 1))
    np.testing.assert_allclose(quantiles(one, [0.0, 0.5, 1.0]), 3.7, rtol=1e-6)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="bins_per_octave is 1, 2, 4, 8 or 16, got 3"):
        LogHistogram(layer=LAYER, shape=SHAPE, bins_per_octave=3)
    with pytest.raises(UsageError, match="got 5 to 5"):
        LogHistogram(layer=LAYER, shape=SHAPE, low=5, high=5)


def test_edges_rise_and_name_every_bin():
    assert len(REDUCER.edges) == REDUCER.bins + 1
    assert (np.diff(REDUCER.edges[1:-1]) >= 0).all()
    at = np.asarray(REDUCER.bin_of(jnp.asarray([0.0, -0.0, 1.0, -1.0, 1.9, 2.0], jnp.float32)))
    np.testing.assert_array_equal(at[:2], REDUCER.inner + 2)
    assert REDUCER.edges[at[2]] == 1.0
    assert REDUCER.edges[at[3] + 1] == -1.0
    assert at[5] - at[2] == 4
