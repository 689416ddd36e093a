import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.engine.reducers import TopK
from cnnviz_jax.errors import UsageError
from tests.engine.reducers.datasets import LAYER, SHAPE, batch, gathered, same, stepper, table


def brute_force(values, k, entries="image"):
    """Sort the whole table by (-value, image, position)."""
    count, units = len(values), values.shape[-1]
    flat = values.reshape(count, -1, units)
    result = {"value": [], "id": [], "pos": []}
    for unit in range(units):
        rows = []
        for image in range(count):
            own = flat[image, :, unit]
            if not np.isfinite(own).all():
                continue
            own = own + np.float32(0)
            places = range(len(own)) if entries == "position" else [int(np.argmax(own))]
            rows += [(-own[place], image, place) for place in places]
        best = sorted(rows)[:k]
        best += [(np.inf, -1, -1)] * (k - len(best))
        for name, column in zip(result, zip(*best, strict=True), strict=True):
            result[name].append(column)
    return -np.asarray(result["value"], np.float32), np.asarray(result["id"]), np.asarray(result["pos"])


def agree(found, expected):
    np.testing.assert_array_equal(found["value"], expected[0])
    np.testing.assert_array_equal(found["id"], expected[1])
    np.testing.assert_array_equal(found["pos"], expected[2])


@pytest.mark.parametrize("entries", ["image", "position"])
@pytest.mark.parametrize("k", [1, 4, 60])
def test_it_equals_a_sort_of_the_whole_table(k, entries):
    reducer = TopK(layer=LAYER, shape=SHAPE, k=k, entries=entries)
    values = table()
    found = reducer.finish(gathered(reducer, values, np.arange(40), 8))
    agree(found, brute_force(values, k, entries))
    np.testing.assert_array_equal(found["nonfinite"], (~np.isfinite(values)).any((1, 2)).sum(0))


def test_batch_size_order_and_devices_change_no_bit():
    reducer = TopK(layer=LAYER, shape=SHAPE, k=5)
    values = table()
    whole = gathered(reducer, values, np.arange(40), 40)
    for size, devices in ((1, 1), (7, 2), (8, 3)):
        same(whole, gathered(reducer, values, np.arange(40), size, devices))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(40)
        same(whole, gathered(reducer, values[order], order, 6, devices=2))


def test_a_dead_unit_lists_the_first_images_in_order():
    reducer = TopK(layer=LAYER, shape=SHAPE, k=6)
    values = np.zeros((30, *SHAPE), np.float32)
    values[::2] = -0.0
    found = reducer.finish(gathered(reducer, values, np.arange(30), 4, devices=3))
    np.testing.assert_array_equal(found["id"], np.tile(np.arange(6), (5, 1)))
    assert not found["pos"].any()
    assert not np.signbit(found["value"]).any()


def test_a_layer_without_a_map_has_position_zero():
    reducer = TopK(layer=LAYER, shape=(5,), k=3)
    values = table(12, shape=(5,))
    agree(reducer.finish(gathered(reducer, values, np.arange(12), 5)), brute_force(values, 3))


def test_ids_reach_almost_to_the_end_of_32_bits():
    reducer = TopK(layer=LAYER, shape=(2,), k=2)
    values = np.ones((3, 2), np.float32)
    ids = np.asarray([2**32 - 2, 7, 2**31 + 1])
    found = reducer.finish(gathered(reducer, values, ids, 1))
    np.testing.assert_array_equal(found["id"], [[7, 2**31 + 1]] * 2)
    assert found["id"].dtype == np.int64


def test_merging_in_any_order_gives_the_same_bytes():
    reducer = TopK(layer=LAYER, shape=SHAPE, k=5)
    values = table(60)
    parts = [gathered(reducer, values[a : a + 20], np.arange(a, a + 20), 7) for a in (0, 20, 40)]
    whole = gathered(reducer, values, np.arange(60), 9)
    same(whole, reducer.merge(parts))
    same(whole, reducer.merge([parts[2], reducer.empty(), reducer.merge([parts[1], parts[0]])]))


def test_padding_leaves_no_trace():
    reducer = TopK(layer=LAYER, shape=SHAPE, k=5)
    delta = reducer.init()
    after = stepper(reducer)(delta, batch(np.full((4, *SHAPE), 9.0, np.float32), np.arange(4), np.zeros(4, bool)))
    for name in ("value", "id", "pos", "nonfinite"):
        np.testing.assert_array_equal(after[name], delta[name])


def test_k_is_at_least_one():
    with pytest.raises(UsageError, match="k is 1 or more entries per unit, got 0"):
        TopK(layer=LAYER, shape=SHAPE, k=0)


def test_the_empty_total_finishes_as_empty_slots():
    reducer = TopK(layer=LAYER, shape=SHAPE, k=2)
    found = reducer.finish(reducer.empty())
    assert (found["id"] == -1).all()
    assert (found["pos"] == -1).all()
    assert jnp.isneginf(found["value"]).all()
