"""Activations on disk: which positions, the same whatever the batch and the shards, and going on after a stop."""

import json

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine.activations import Sampling
from cnnviz_jax.errors import ResultFileError, UsageError

from .colours import SIZE, images, model


def values():
    return cv.capture(model(), images(), ["active"])["active"]


def stored(folder, **options):
    return cv.store_activations(model(), images(), folder, layer="active", progress=False, **options)


def test_rows_are_the_layers_values_at_their_positions(tmp_path):
    store = stored(tmp_path, positions=5, margin=2, dtype="float32")
    assert store.shape == (24 * 5, 6)
    image, row, col = store.index.T
    np.testing.assert_array_equal(image, np.repeat(np.arange(24), 5))
    assert row.min() >= 2 and row.max() <= SIZE - 3 and col.min() >= 2 and col.max() <= SIZE - 3  # noqa: PT018
    assert len({tuple(each) for each in store.index}) == len(store)  # without repetition
    np.testing.assert_allclose(store[:], values()[image, row, col], rtol=1e-6)
    np.testing.assert_allclose(store.mean, store[:].mean(0), rtol=1e-5)
    np.testing.assert_allclose(store.variance, store[:].var(0), rtol=1e-5)
    np.testing.assert_array_equal(store[np.array([[3, 80], [119, 0]])], store[:][np.array([[3, 80], [119, 0]])])


@pytest.mark.parametrize(("shape", "count"), [((5,), 1), ((9, 5), 7), ((6, 4, 5), 8), ((4, 4, 4, 5), 8)])
def test_positions_of_any_number_of_axes_are_sampled_without_their_borders(shape, count):
    sampling = Sampling(layer="any", shape=shape, positions=100)
    assert sampling.each == count
    values = np.arange(np.prod(shape[:-1]))
    inside = values if len(shape) == 1 else values.reshape(shape[:-1])[(slice(1, -1),) * (len(shape) - 1)]
    np.testing.assert_array_equal(sampling.numbers, inside.reshape(-1))


def test_half_precision_keeps_eleven_bits_and_half_the_bytes(tmp_path):
    exact, half = stored(tmp_path / "a", dtype="float32"), stored(tmp_path / "b")
    np.testing.assert_allclose(half[:], exact[:], rtol=2**-10, atol=1e-6)
    sizes = [sum(path.stat().st_size for path in (tmp_path / name).glob("rows-*.npy")) for name in "ab"]
    assert sizes[1] < 0.6 * sizes[0]


def test_batches_and_shards_change_nothing(tmp_path):
    whole = stored(tmp_path / "a")
    parts = stored(tmp_path / "b", shard_images=7, batch=5)
    np.testing.assert_array_equal(parts[:], whole[:])
    np.testing.assert_array_equal(parts.index, whole.index)
    assert len(list((tmp_path / "b").glob("rows-*.npy"))) == 4
    other = stored(tmp_path / "c", key=1)
    assert not np.array_equal(other.index, whole.index)


def test_a_run_that_was_stopped_goes_on_and_a_finished_one_is_opened(tmp_path):
    def stopping(done, total, what):
        if done >= 14:
            raise KeyboardInterrupt

    options = {"layer": "active", "shard_images": 7}
    with pytest.raises(KeyboardInterrupt):
        cv.store_activations(model(), images(), tmp_path, progress=stopping, **options)
    with pytest.raises(ResultFileError, match="are not complete; write them again to go on"):
        cv.open_activations(tmp_path)
    first = (tmp_path / "rows-00001.npy").stat().st_mtime_ns
    store = cv.store_activations(model(), images(), tmp_path, progress=False, **options)
    assert (tmp_path / "rows-00001.npy").stat().st_mtime_ns == first
    np.testing.assert_array_equal(store[:], stored(tmp_path / "whole")[:])
    np.testing.assert_array_equal(cv.open_activations(tmp_path)[:], store[:])
    with pytest.raises(UsageError, match="holds activations of another positions; name another folder"):
        cv.store_activations(model(), images(), tmp_path, positions=2, progress=False, **options)
    with pytest.raises(UsageError, match="holds activations of another source"):
        cv.store_activations(model(), 1 - images(), tmp_path, progress=False, **options)


def test_a_plan_says_what_a_store_takes(tmp_path):
    plan = cv.plan_activations(model(), images(), layer="active", shard_images=10)
    assert (plan.rows, plan.shards) == (96, 3)
    assert plan.disk_bytes == 96 * (6 * 2 + 12)
    assert "96 rows of 6 channels of active, 4 of each of 24 images: 0.0 MB on disk in 3 shards" in str(plan)
    store = stored(tmp_path, shard_images=10)
    used = sum(path.stat().st_size for path in tmp_path.glob("*.npy"))
    assert plan.disk_bytes <= used <= plan.disk_bytes + 6 * 128  # NumPy's headers
    assert store.about["counts"] == {"0": [40, 0, 0], "1": [40, 0, 0], "2": [16, 0, 0]}


def test_a_disk_too_small_is_said_before_anything_runs(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(UsageError, match=r"has 0\.0 MB left: sample fewer positions or images"):
        stored(tmp_path)


def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path):
    broken = images().copy()
    broken[3] = np.nan
    store = cv.store_activations(model(), broken, tmp_path, layer="active", progress=False)
    assert len(store) == 23 * 4
    assert store.about["counts"]["0"][1] == 4


def test_a_dictionary_learns_from_a_store_as_from_its_rows(tmp_path):
    store = stored(tmp_path, dtype="float32")
    options = {"size": 12, "steps": 10, "batch_rows": 16, "progress": False}
    made = cv.learn_dictionary("topk", store, **options)
    assert made.layer == "active"
    assert made.held_out_count == 2 * 4  # whole images
    assert model().with_dictionary(made).layers["active/dictionary"].channels == 12
    direct = cv.learn_dictionary("topk", model(), images(), layer="active", **options)
    np.testing.assert_allclose(direct.directions, made.directions, atol=1e-5)


def test_a_folder_of_other_things_is_refused(tmp_path):
    with pytest.raises(ResultFileError, match="no activations in"):
        cv.open_activations(tmp_path)
    with pytest.raises(UsageError, match="rows are stored as float16 or float32, got 'int8'"):
        stored(tmp_path, dtype="int8")
    (tmp_path / "store.json").write_text(json.dumps({"model": "other"}))
    with pytest.raises(UsageError, match="holds activations of another model"):
        stored(tmp_path)


def test_a_store_that_says_it_is_whole_and_has_no_rows_is_refused(tmp_path):
    stored(tmp_path)
    path = next(tmp_path.glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shards": 0}))
    with pytest.raises(ResultFileError, match="it says that it is whole, and has no rows"):
        cv.open_activations(tmp_path)
