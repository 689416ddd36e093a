"""Checkpoints, disks and chunks that go bad, and what a run makes of it."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import zarr

from cnnviz_jax.cli import main
from cnnviz_jax.sweep.checkpoint import read_state, step_folders
from cnnviz_jax.sweep.errors import CheckpointError, Interrupted, StorageError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.status import run_status
from cnnviz_jax.sweep.store import ArraySpec, ExampleStore
from cnnviz_jax.sweep.verify import verify
from tests.sweep import harness

# Orbax leaves event loops behind when a restore fails; harmless, and not ours.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def halfway(tmp_path_factory):
    """A run stopped after image 48, with three checkpoints."""
    folder = tmp_path_factory.mktemp("halfway") / "run"
    before = Loop._agree
    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(Interrupted):
        patched.setattr(Loop, "_agree", lambda self, number, asked: before(self, number, asked or number == 12))
        harness.sweep(folder)
    assert [path.name for path in step_folders(folder / "ckpt")] == ["48", "36", "24"]
    return folder


@pytest.fixture
def stopped(tmp_path, halfway):
    """A copy of that run."""
    return Path(shutil.copytree(halfway, tmp_path / "run"))


def flip_a_bit_in_the_biggest_file(step):
    biggest = max(
        (path for path in (step / "state").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    data = bytearray(biggest.read_bytes())
    data[len(data) // 2] ^= 1
    biggest.write_bytes(data)


def flip_a_bit_in_every_data_file(step):
    for path in (step / "state").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)


def cut_every_file_short(step):
    for path in step.rglob("*"):
        if path.is_file() and path.stat().st_size > 1:
            os.truncate(path, path.stat().st_size // 2)


def change_the_position(step):
    path = step / "meta" / "metadata"
    path.write_text(path.read_text().replace('"next_index": 48', '"next_index": 44'))


DAMAGES = {
    "a bit flipped in the biggest file": flip_a_bit_in_the_biggest_file,
    "a bit flipped in every data file": flip_a_bit_in_every_data_file,
    "cut short": cut_every_file_short,
    "no state": lambda step: shutil.rmtree(step / "state"),
    "no meta": lambda step: shutil.rmtree(step / "meta"),
    "an empty folder": lambda step: (shutil.rmtree(step), step.mkdir()),
    "another position": change_the_position,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_moved_aside_and_the_one_before_is_used(stopped, reference, damage):
    newest = step_folders(stopped / "ckpt")[0]
    DAMAGES[damage](newest)
    harness.sweep(stopped)
    harness.assert_equal(stopped, reference)
    assert [path.name for path in (stopped / "ckpt" / "rejected").iterdir()] == ["48.0"]


def test_a_checkpoint_without_orbaxs_metadata_still_verifies_or_is_moved_aside(stopped, reference):
    (step_folders(stopped / "ckpt")[0] / "state" / "_METADATA").unlink()
    harness.sweep(stopped)
    harness.assert_equal(stopped, reference)


def test_a_half_deleted_old_step_harms_nobody(stopped, reference):
    oldest = step_folders(stopped / "ckpt")[-1]
    (oldest / "commit_success.txt").unlink(missing_ok=True)
    shutil.rmtree(oldest / "state")
    harness.sweep(stopped)
    harness.assert_equal(stopped, reference)


def test_nothing_is_touched_when_no_checkpoint_can_be_trusted(stopped):
    for step in step_folders(stopped / "ckpt"):
        flip_a_bit_in_every_data_file(step)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(
        CheckpointError, match=r"none of the 3 checkpoints .* can be trusted .* begin anew with --restart"
    ):
        harness.sweep(stopped)
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file() and path.name != "lock"} == before


def test_a_checkpoint_of_another_run_is_not_taken(stopped, tmp_path):
    harness.sweep(tmp_path / "other", seed=4, limit=24)
    other = step_folders(tmp_path / "other" / "ckpt")[0]
    with pytest.raises(CheckpointError, match="belongs to another run"):
        read_state(other, "of this run")


FULL = "RESOURCE_EXHAUSTED: Failed to write: No space left on device"


class Refusing:
    """Stands for a TensorStore transaction on a full disk."""

    def result(self):
        raise ValueError(FULL)


def test_a_disk_full_of_examples_stops_the_run_and_space_mends_it(tmp_path, reference, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(ts.Transaction, "commit_async", lambda self: Refusing(), raising=False)
        with pytest.raises(StorageError, match="the disk is full at per-example results"):
            harness.sweep(tmp_path / "run")
    harness.sweep(tmp_path / "run")
    harness.assert_equal(tmp_path / "run", reference)


@pytest.mark.parametrize("moment", ["save", "check_for_errors", "wait_until_finished"])
def test_a_disk_full_of_checkpoints_stops_the_run_and_space_mends_it(stopped, reference, monkeypatch, moment):
    """At once, at the next step, and at the end: Orbax tells of what failed in the background when asked next."""
    import orbax.checkpoint as ocp

    def full(self, *args, **kwargs):
        raise ValueError(FULL)

    with monkeypatch.context() as patched:
        patched.setattr(ocp.CheckpointManager, moment, full)
        with pytest.raises(StorageError, match="the disk is full at a checkpoint"):
            harness.sweep(stopped)
    assert read_state(stopped / "ckpt" / "48").next_index == 48
    harness.sweep(stopped)
    harness.assert_equal(stopped, reference)


def test_a_disk_full_of_results_stops_the_run_and_space_mends_it(stopped, reference, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("cnnviz_jax.sweep.result.write_whole", full)
        with pytest.raises(StorageError, match="the disk is full at the results"):
            harness.sweep(stopped)
    assert not (stopped / "DONE.json").exists()
    harness.sweep(stopped)
    harness.assert_equal(stopped, reference)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 KiB, where mounting is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here; the injected faults above stand for it")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_that_is_really_full(small_disk, reference):
    with pytest.raises(StorageError):
        harness.sweep(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    harness.sweep(small_disk / "run")
    harness.assert_equal(small_disk / "run", reference)


def test_verify_finds_nothing_in_a_good_run_and_every_flipped_bit_in_a_bad_one(tmp_path, reference_run):
    assert verify(RunFolder(reference_run)).faults == []
    chunks = [p for p in reference_run.rglob("examples.zarr/**/*") if p.is_file() and p.name != "zarr.json"]
    assert len(chunks) >= 7
    for chunk in chunks:
        data = bytearray(chunk.read_bytes())
        for place in (0, len(data) // 2, len(data) - 1):
            damaged = bytearray(data)
            damaged[place] ^= 16
            folder = tmp_path / "run"
            shutil.copytree(reference_run, folder)
            (folder / chunk.relative_to(reference_run)).write_bytes(damaged)
            assert verify(RunFolder(folder)).faults, f"{chunk.relative_to(reference_run)} byte {place}"
            shutil.rmtree(folder)


def test_verify_names_what_is_missing(tmp_path, reference_run, capsys):
    folder = Path(shutil.copytree(reference_run, tmp_path / "run"))
    (folder / "result" / "top-k.npz").write_bytes(b"nothing")
    shutil.rmtree(folder / "examples.zarr" / "heat" / "smoothgrad" / "c")
    flip_a_bit_in_every_data_file(step_folders(folder / "ckpt")[0])
    assert main(["verify", str(folder), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "result top-k.npz is damaged" in told
    assert "heat/smoothgrad: example 0 has a status and no value" in told
    assert "checkpoint 61" in told
    assert main(["verify", str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err


def test_status_tells_how_far_a_stopped_run_is(stopped, capsys):
    (status,) = run_status(RunFolder(stopped))
    assert (status.state, status.counted, status.images, status.shard) == ("stopped", 48, 61, (0, 1))
    assert main(["sweep-status", str(stopped)]) == 0
    assert "stopped, 48 of 61 images counted (78 %)" in capsys.readouterr().out
    assert main(["sweep-status", str(stopped), "--json"]) == 0
    assert '"counted": 48' in capsys.readouterr().out


def test_zarr_python_reads_what_was_written(reference_run):
    group = zarr.open(str(reference_run / "examples.zarr"), mode="r")
    store = ExampleStore.open(reference_run / "examples.zarr")
    assert [codec["name"] for codec in _codecs(reference_run)] == ["bytes", "zstd", "crc32c"]
    for name in ("status", "heat/smoothgrad", "score/smoothgrad"):
        assert np.asarray(group[name][:]).tobytes() == store.read(name, slice(None)).tobytes()


def _codecs(run):
    import json

    return json.loads((run / "examples.zarr" / "heat" / "smoothgrad" / "zarr.json").read_text())["codecs"]


def test_rows_written_twice_are_the_same_bytes_and_statuses_come_last(tmp_path):
    specs = {"heat/a": ArraySpec((2, 2), "float16"), "status": ArraySpec((), "uint8")}
    store = ExampleStore.create(tmp_path / "e.zarr", specs, 10, 4)
    rows = {"heat/a": np.ones((4, 2, 2), np.float16), "status": np.ones(4, np.uint8)}
    store.put(4, rows)
    reader = ExampleStore.open(tmp_path / "e.zarr")
    assert reader.read("status", slice(None)).tolist() == [0] * 12
    assert np.isnan(reader.read("heat/a", slice(None))).all()
    store.flush()
    first = (tmp_path / "e.zarr" / "heat" / "a" / "c" / "0" / "0" / "0").read_bytes()
    store.put(4, rows)
    store.flush()
    assert (tmp_path / "e.zarr" / "heat" / "a" / "c" / "0" / "0" / "0").read_bytes() == first
    assert ExampleStore.open(tmp_path / "e.zarr").read("status", slice(None)).tolist() == [0] * 4 + [1] * 4 + [0] * 4


def test_checkpoints_are_kept_in_number(tmp_path):
    harness.sweep(tmp_path / "run", options=RunOptions(checkpoint_every="1steps", keep=2), limit=20)
    assert [path.name for path in step_folders(tmp_path / "run" / "ckpt")] == ["20", "16"]


def test_a_chunk_that_a_kill_left_half_written_does_no_harm(stopped, reference):
    chunks = [path for path in (stopped / "examples.zarr").rglob("*") if path.is_file() and path.name != "zarr.json"]
    assert chunks
    for path in chunks:  # TensorStore writes here, renames at the end, and does not shorten what it finds
        (path.parent / f"{path.name}.__lock").write_bytes(b"unfinished" * 100_000)
    harness.sweep(stopped)
    assert not list(stopped.rglob("*.__lock"))
    harness.assert_equal(stopped, reference)
