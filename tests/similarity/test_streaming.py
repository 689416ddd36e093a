"""One pass of sums: the same bits whatever the batches, parts and devices, and the numbers of the whole tables."""

import jax
import numpy as np
import pytest

from cnnviz_jax import similarity
from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.streaming import PairSums, merged
from tests.similarity.formulas import X, Y

RNG = np.random.default_rng(1)
COUNT = 37
XS = [RNG.normal(size=(COUNT, 5)).astype(np.float32), (30 + 0.085 * RNG.normal(size=(COUNT, 8))).astype(np.float32)]
YS = [(XS[0] @ RNG.normal(size=(5, 3))).astype(np.float32), RNG.normal(size=(COUNT, 6)).astype(np.float32)]


def rows(part):
    return [x[part] for x in XS], [y[part] for y in YS]


def summed(size, order=None):
    empty = PairSums.for_rows(XS, YS)
    parts = [slice(first, first + size) for first in range(0, COUNT, size)]
    parts = parts if order is None else [parts[k] for k in order]
    total = empty
    for part in parts:
        total = total.plus(*rows(part))
    return total


def everything(sums):
    own = [part for side in sums.own for layer in side for part in layer]
    return [*sums.cross, *own, np.array([sums.count, sums.left_out]), sums.cka(), sums.match(0, 0).correlation]


def test_batches_of_1_7_and_all_give_the_same_bits():
    whole = everything(summed(COUNT))
    for size in (1, 7):
        for mine, theirs in zip(everything(summed(size)), whole, strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_parts_add_in_any_order_to_the_same_bits():
    empty = PairSums.for_rows(XS, YS)
    parts = [empty.plus(*rows(slice(first, first + 10))) for first in range(0, COUNT, 10)]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found = everything(merged([parts[k] for k in order]))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found, everything(summed(COUNT)), strict=True))


def test_rows_gathered_on_one_device_and_on_eight_give_the_same_bits():
    devices = jax.devices()
    assert len(devices) == 8
    empty = PairSums.for_rows([2 * x for x in XS], [2 * y for y in YS])
    double = jax.jit(lambda x: 2 * x)

    def on(device, part):
        return [[np.asarray(double(jax.device_put(t, device))) for t in side] for side in rows(part)]

    eighth = [slice(k * COUNT // 8, (k + 1) * COUNT // 8) for k in range(8)]
    spread = merged([empty.plus(*on(device, part)) for device, part in zip(devices, eighth, strict=True)])
    alone = empty.plus(*on(devices[0], slice(None)))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(everything(spread), everything(alone), strict=True))


@pytest.mark.parametrize("form", ["debiased", "biased"])
def test_it_is_the_cka_of_the_whole_tables(form):
    np.testing.assert_allclose(summed(7).cka(form), similarity.cka_table(XS, YS, form), atol=2e-7)
    small = PairSums.for_rows([X], [Y]).plus([X], [Y])
    np.testing.assert_allclose(small.cka(form)[0, 0], similarity.cka(X, Y, form), rtol=1e-6)


def test_large_means_cost_no_digits():
    """Measured: at mean 30 and deviation 0.085, sums of float32 products without a shift were off by 0.067."""
    x = (30 + 0.085 * RNG.normal(size=(1500, 16))).astype(np.float32)
    y = (x @ RNG.normal(size=(16, 16)) + 0.1 * RNG.normal(size=(1500, 16))).astype(np.float32)
    sums = PairSums.for_rows([x], [y])
    for first in range(0, 1500, 500):
        sums = sums.plus([x[first : first + 500]], [y[first : first + 500]])
    np.testing.assert_allclose(sums.cka()[0, 0], similarity.cka(x, y), atol=1e-7)


def test_units_are_matched_and_directions_counted_from_the_sums():
    sums = summed(7)
    table = similarity.match_units(XS[1], YS[1])
    np.testing.assert_allclose(sums.match(1, 1).correlation, table.correlation, atol=1e-6)
    assert sums.match(1, 1).pairs.tolist() == table.pairs.tolist()
    np.testing.assert_allclose(sums.participation_ratio(0, 1), similarity.participation_ratio(XS[1]), rtol=1e-6)


def test_an_image_that_is_not_finite_or_far_out_is_left_out_and_counted():
    bad = [np.array(each) for each in XS]
    bad[0][3, 1], bad[1][8, 0] = np.nan, 1e9
    kept = ~np.isin(np.arange(COUNT), (3, 8))
    found = PairSums.for_rows(XS, YS).plus(bad, YS)
    assert (found.count, found.left_out) == (COUNT - 2, 2)
    expected = PairSums.for_rows(XS, YS).plus([x[kept] for x in XS], [y[kept] for y in YS])
    np.testing.assert_array_equal(found.cka(), expected.cka())


def test_a_layer_that_never_changes_has_no_cka():
    still = [np.ones((COUNT, 2), np.float32), XS[0]]
    found = PairSums.for_rows(still, YS).plus(still, YS).cka()
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_sums_that_do_not_belong_together_are_refused():
    one, other = PairSums.for_rows([X], [Y]), PairSums.for_rows([2 * X], [Y])
    with pytest.raises(UsageError, match="begin every part from one `for_rows`"):
        merged([one, other])
    with pytest.raises(UsageError, match="these sums are of 1 and 1 layers"):
        one.plus([X, X], [Y])
    with pytest.raises(UsageError, match="CKA needs 4 images, got 0"):
        one.cka()
    with pytest.raises(UsageError, match="the first rows decide shift and scale"):
        PairSums.for_rows([np.full((12, 2), np.inf)], [Y])
