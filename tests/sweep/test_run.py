"""A run's results against the library's own doors, and what a second start does with them."""

import shutil

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations
from cnnviz_jax.files import read_json, read_lines
from cnnviz_jax.sweep.checkpoint import step_folders
from cnnviz_jax.sweep.errors import FingerprintError, LockedError, OutOfMemoryError, SweepUsageError
from cnnviz_jax.sweep.layout import Lock, RunFolder
from cnnviz_jax.sweep.result import read_survey
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.store import ExampleStore
from tests.sweep import fixtures, harness


def images(source=None, count=fixtures.COUNT):
    source = source or fixtures.images()
    return np.stack([source.some_image(i) for i in range(count)])


def test_heatmaps_are_those_of_explain_with_the_examples_number_as_id(reference_run):
    store, rows = ExampleStore.open(RunFolder(reference_run).examples), slice(53, 61)
    heat = store.read("heat/smoothgrad", rows).astype(np.float32)
    heat *= store.read("scale/smoothgrad", rows).reshape(-1, 1, 1, 1)
    expected = cv.explain("smoothgrad", fixtures.net(), images()[rows], key=0, ids=range(53, 61), samples=3)
    size = np.abs(expected.values).reshape(8, -1).max(1).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(heat / size, expected.values / size, atol=2e-3)  # float16 keeps 11 bits
    np.testing.assert_allclose(store.read("score/smoothgrad", rows), expected.scores, rtol=1e-5)
    np.testing.assert_array_equal(store.read("target/smoothgrad", rows), expected.target)
    np.testing.assert_array_equal(store.read("label", rows), np.arange(53, 61) % 4)
    np.testing.assert_array_equal(harness.statuses(reference_run), [1] * fixtures.COUNT + [0] * 3)


def test_the_seed_changes_every_heatmap_and_an_images_place_changes_none(tmp_path, reference_run):
    before = ExampleStore.open(RunFolder(reference_run).examples)
    other = ExampleStore.open(harness.sweep(tmp_path / "seed", seed=1).examples)
    rows = slice(0, fixtures.COUNT)
    changed = before.read("heat/smoothgrad", rows) != other.read("heat/smoothgrad", rows)
    assert changed.reshape(fixtures.COUNT, -1).any(1).all()
    alone = ExampleStore.open(harness.sweep(tmp_path / "few", limit=3).examples)  # other neighbours, and padding
    for name in ("heat/smoothgrad", "scale/smoothgrad", "score/smoothgrad"):
        assert alone.read(name, slice(0, 3)).tobytes() == before.read(name, slice(0, 3)).tobytes()


def test_the_default_generator_does_not_matter(tmp_path, reference):
    with jax.default_prng_impl("rbg"):
        harness.assert_equal(harness.sweep(tmp_path / "run").root, reference)


def activations(net, images, layer):
    """The whole table of a layer's values, as the network gives them."""
    read = jax.jit(jax.vmap(lambda image: net.run(image, read=(layer,), need_outputs=False)[1][layer]))
    return np.asarray(read(images))


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """A sweep in which all activations are exact, one image NaN, many ties."""
    folder = tmp_path_factory.mktemp("exact") / "run"
    return harness.sweep(
        folder, fixtures.exact_net(), model="tests.sweep.fixtures:exact_net", source="tests.sweep.fixtures:coarse"
    )


def test_top_k_and_histogram_equal_brute_force_over_the_whole_table(exact):
    finite = np.asarray([i for i in range(fixtures.COUNT) if i != 5])
    table = fixtures.Coarse()
    values = activations(fixtures.exact_net(), np.stack([table.some_image(i) for i in finite]), "conv2")
    top = read_survey(exact, "top-k")["conv2"]
    flat = values.reshape(len(finite), -1, 4)
    for unit in range(4):
        rows = [(-(flat[n, :, unit].max() + 0.0), i, int(flat[n, :, unit].argmax())) for n, i in enumerate(finite)]
        best = sorted(rows)[:3]
        np.testing.assert_array_equal(top["value"][unit], [-value for value, _, _ in best])
        np.testing.assert_array_equal(top["id"][unit], [i for _, i, _ in best])
        np.testing.assert_array_equal(top["pos"][unit], [place for _, _, place in best])
    histogram = read_survey(exact, "histogram")["conv2"]
    zero = (len(histogram["edges"]) - 2) // 2
    np.testing.assert_array_equal(histogram["count"][:, zero], (flat == 0).sum((0, 1)))
    np.testing.assert_array_equal(histogram["count"].sum(1) + histogram["nonfinite"], fixtures.COUNT * 64)
    np.testing.assert_array_equal(histogram["maximum"], flat.max((0, 1)))


def test_a_dead_unit_lists_the_first_images_and_a_nan_image_is_counted_and_harms_nobody(exact):
    top = read_survey(exact, "top-k")["conv2"]
    np.testing.assert_array_equal(top["id"][3], [0, 1, 2])
    np.testing.assert_array_equal(top["value"][3], 0)
    np.testing.assert_array_equal(top["nonfinite"], 1)
    assert not (top["id"] == 5).any()
    assert harness.statuses(exact.root)[:8].tolist() == [1, 1, 1, 1, 1, 3, 1, 1]
    store = ExampleStore.open(exact.examples)
    heat = store.read("heat/smoothgrad", slice(0, 8))
    assert np.isnan(heat[5]).all()
    assert np.isfinite(heat[[4, 6, 7]]).all()
    assert read_json(exact.results / "manifest.json")["counts"] == {"ok": 60, "unreadable": 0, "nonfinite": 1}


def test_a_finished_run_is_left_alone(reference_run):
    before = {path: path.stat().st_mtime_ns for path in sorted(reference_run.rglob("*"))}
    harness.sweep(reference_run)
    assert {path: path.stat().st_mtime_ns for path in sorted(reference_run.rglob("*"))} == before


def test_without_the_proof_and_the_last_checkpoint_it_ends_the_same(tmp_path, reference_run, reference):
    folder = shutil.copytree(reference_run, tmp_path / "run")
    (folder / "DONE.json").unlink()
    shutil.rmtree(step_folders(folder / "ckpt")[0])
    harness.sweep(folder)
    harness.assert_equal(folder, reference)


def test_checkpoints_and_flushes_change_no_bit(tmp_path, reference):
    harness.assert_equal(
        harness.sweep(tmp_path / "often", options=RunOptions(checkpoint_every="1steps")).root, reference
    )
    harness.assert_equal(
        harness.sweep(tmp_path / "never", options=RunOptions(checkpoint_every="1000s")).root, reference
    )


def test_a_delta_is_flushed_before_it_could_overflow(tmp_path, reference, monkeypatch):
    from cnnviz_jax.sweep.work import Work

    monkeypatch.setattr(Work, "capacity", property(lambda self: 9))
    folder = harness.sweep(tmp_path / "run", options=RunOptions(checkpoint_every="1000s"))
    harness.assert_equal(folder.root, reference)
    assert harness.flushes(folder.root) == 8  # two device batches of four fit nine


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 2}, "seed: 0 then, 2 now"),
        ({"device_batch": 2}, "device_batch: 4 then, 2 now"),
        ({"limit": 20}, "images: 61 then, 20 now"),
        ({"source": "tests.sweep.fixtures:many_images", "limit": 61}, "source_digest"),
        (
            {"survey": [{"technique": "top-k", "k": 4, "layers": ["conv1", "conv2"]}]},
            "survey.top-k/conv1.k: 3 then, 4 now",
        ),
        ({"explain": [{"technique": "smoothgrad", "samples": 4}]}, "config.samples: 3 then, 4 now"),
    ],
)
def test_another_sweep_is_refused_and_nothing_is_touched(reference_run, change, named):
    before = {path: path.stat().st_mtime_ns for path in sorted(reference_run.rglob("*"))}
    with pytest.raises(FingerprintError) as refused:
        harness.sweep(reference_run, **change)
    assert named in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in sorted(reference_run.rglob("*"))} == before


def test_other_weights_are_another_sweep(reference_run):
    with pytest.raises(FingerprintError, match="weights_sha256"):
        harness.sweep(reference_run, fixtures.net(1))


def test_other_weights_share_the_compiled_step(tmp_path, reference_run):
    net = fixtures.net()
    before = compilations()
    harness.sweep(tmp_path / "run", net.with_params(jax.tree.map(lambda leaf: leaf * 2, net.params)), limit=9)
    assert compilations() == before


def test_a_run_compiles_its_step_once_padded_last_tile_and_all(tmp_path):
    before = compilations()
    harness.sweep(tmp_path / "run", explain=[], survey=[{"technique": "confusion"}])
    assert compilations() == before + 1


def test_a_live_run_keeps_others_out(tmp_path):
    folder = RunFolder(tmp_path / "run")
    lock = Lock(folder.lock)
    with pytest.raises(LockedError, match=r"is in use by process \d+ on"):
        harness.sweep(folder.root)
    lock.release()
    harness.sweep(folder.root)


def test_resume_must_and_never_and_restart(tmp_path, reference):
    folder = tmp_path / "run"
    with pytest.raises(SweepUsageError, match="nothing to resume"):
        harness.sweep(folder, options=RunOptions(resume="must"))
    harness.sweep(folder, seed=5)
    with pytest.raises(SweepUsageError, match="holds a run, and --resume never was given"):
        harness.sweep(folder, seed=5, options=RunOptions(resume="never"))
    harness.sweep(folder, options=RunOptions(restart=True))
    harness.assert_equal(folder, reference)


def test_a_budget_that_nothing_fits_stops_before_any_work(tmp_path):
    options = RunOptions(memory_budget="1MiB")
    with pytest.raises(
        OutOfMemoryError, match=r"a device batch of 1 needs about \d+ MiB per device, more than the budget of 1 MiB"
    ):
        harness.sweep(
            tmp_path / "run", device_batch="auto", options=options, explain=[], survey=[{"technique": "confusion"}]
        )
    assert not (tmp_path / "run").exists()


def test_the_tile_is_frozen_with_the_run(tmp_path, reference, reference_run):
    folder = shutil.copytree(reference_run, tmp_path / "run")
    (folder / "DONE.json").unlink()
    shutil.rmtree(step_folders(folder / "ckpt")[0])
    harness.sweep(folder, device_batch="auto")
    harness.assert_equal(folder, reference)


def test_the_log_tells_of_every_flush(reference_run):
    lines = list(read_lines(reference_run / "log"))
    assert [line["next_index"] for line in lines] == [12, 24, 36, 48, 60, 61]
    assert all(line["images_per_s"] > 0 and line["peak_rss_mib"] > 0 for line in lines)
