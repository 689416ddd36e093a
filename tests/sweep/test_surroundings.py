"""What surrounds a run and changes under it: the clock, the disk, the images, the place it is to lie in."""

import errno
import gc
import logging
import os
import time

import numpy as np
import orbax.checkpoint as ocp
import pytest
from PIL import Image

from cnnviz_jax.cli import main
from cnnviz_jax.data.formats import images_below
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.sweep.errors import FingerprintError, StorageError, SweepUsageError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.verify import verify
from tests.sweep import fixtures, harness, small


@pytest.mark.parametrize("jump_s", [-1e5, 1e5])
def test_finding_11_a_clock_that_jumps_ends_no_run(tmp_path, monkeypatch, jump_s):
    real, calls = time.time, iter(range(1 << 40))
    monkeypatch.setattr(time, "time", lambda: real() + jump_s * (next(calls) % 2))
    small.sweep(tmp_path / "run")
    assert verify(RunFolder(tmp_path / "run")).faults == []


# Orbax leaves coroutines behind when a save fails; harmless, and not ours.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")
def test_finding_11_a_full_disk_is_told_in_our_sentence_alone(tmp_path, monkeypatch, capfd):
    def full(*args, **kwargs):
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            logging.getLogger("absl").exception("[process=0] a thread of the library raised")
            raise

    monkeypatch.setattr(ocp.StandardCheckpointHandler, "save", full)
    monkeypatch.setattr(ocp.StandardCheckpointHandler, "async_save", full)
    with pytest.raises(StorageError, match="the disk is full at a checkpoint"):
        small.sweep(tmp_path / "run")
    gc.collect()  # what is left behind goes here, not in another test
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err
    assert "thread of the library" not in told.out + told.err


def test_a_run_that_is_stopped_while_it_resumes_resumes_to_the_same_bits(tmp_path):
    whole = harness.content(small.sweep(tmp_path / "whole").root)
    for step in (1, 2):
        small.stop_after(1, tmp_path / "run")
        assert (harness.statuses(tmp_path / "run") != 0).sum() == 4 * step
    small.sweep(tmp_path / "run")
    harness.assert_equal(tmp_path / "run", whole)
    assert verify(RunFolder(tmp_path / "run")).faults == []


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{number}.bmp")
    return folder


def test_finding_11_a_named_pipe_among_the_images_is_counted_and_not_waited_for(images, tmp_path):
    os.mkfifo(images / "pipe.png")
    (images / "nowhere.png").symlink_to(tmp_path / "nothing")
    assert {"pipe.png", "nowhere.png"} < set(images_below(images))
    folder = small.sweep(tmp_path / "run", source=str(images), max_bad="2")
    assert harness.statuses(folder.root).tolist() == [1] * 6 + [2] * 2
    assert verify(folder).faults == []


@pytest.mark.parametrize("record", ["log", "finished checkpoints"])
def test_a_named_pipe_in_the_place_of_a_record_is_refused_and_not_waited_for(record, images, tmp_path):
    folder = RunFolder(tmp_path / "run")
    path = folder.log(0) if record == "log" else folder.finished_checkpoints
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(StorageError, match="it is no file"):
        small.sweep(folder.root, source=str(images))
    path.unlink()
    assert verify(small.sweep(folder.root, source=str(images))).faults == []


def edited_in_the_middle(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    path.write_bytes(data)


def test_finding_9_a_changed_image_of_the_same_size_is_another_data_set(images, tmp_path):
    run = small.stop_after(1, tmp_path / "run", source=str(images))
    for at in (100, -100):
        edited_in_the_middle(images / "5.bmp", at)
        with pytest.raises(FingerprintError, match="source_digest"):
            small.sweep(run, source=str(images))
        edited_in_the_middle(images / "5.bmp", at)
    small.sweep(run, source=str(images))


def test_finding_9_a_full_digest_covers_every_byte(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(folder / "a.bmp")  # 30 KB
    digests = {}
    for when in ("before", "after"):
        for kind in ("ends", "full"):
            digests[when, kind] = open_source(str(folder), fixtures.SHAPE, digest=kind).digest()
        edited_in_the_middle(folder / "a.bmp", 15_000)
    assert digests["before", "full"] != digests["after", "full"]
    assert digests["before", "ends"] == digests["after", "ends"]
    with pytest.raises(SweepUsageError, match="digest is ends or full"):
        harness.spec(digest="some")


@pytest.mark.parametrize("kind", ["ends", "full"])
def test_finding_9_a_changed_chunk_of_a_zarr_is_another_data_set(tmp_path, kind):
    import zarr

    array = zarr.open_group(str(tmp_path / "images.zarr"), mode="w").create_array(
        "images", shape=(4, *fixtures.SHAPE), chunks=(4, *fixtures.SHAPE), dtype="float32", compressors=None
    )
    array[:] = 0.5
    before = open_source(str(tmp_path / "images.zarr"), fixtures.SHAPE, digest=kind).digest()
    array[3] = 0.25
    assert open_source(str(tmp_path / "images.zarr"), fixtures.SHAPE, digest=kind).digest() != before


def test_finding_9_a_factory_without_a_digest_of_its_own_is_hashed_whole_when_asked(monkeypatch):
    class Plain(fixtures.Images):
        digest = None
        changed = False

        def some_image(self, index):
            return super().some_image(index) * (0.5 if self.changed and index == 1 else 1.0)

    monkeypatch.setattr(fixtures, "plain_images", Plain, raising=False)
    word, digests = "tests.sweep.fixtures:plain_images", []
    for changed in (False, True):
        monkeypatch.setattr(Plain, "changed", changed)
        digests.append(open_source(word, fixtures.SHAPE, digest="full").digest())
    assert digests[0] != digests[1]


@pytest.mark.parametrize("place", ["a file", "/dev/null", "/proc", "/proc/self", "below a file", "a" * 300, "a\0b"])
def test_finding_11_a_place_that_cannot_be_a_run_folder_is_refused_in_a_sentence(tmp_path, place, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    path = {"a file": file, "below a file": file / "run"}.get(place, place)
    with pytest.raises(SweepUsageError, match=r"cannot be a run folder: .*; name another"):
        small.sweep(path)
    assert file.read_text() == "mine"
    asked = [["sweep-status", str(path)], ["verify", str(path)], ["report", "--run", str(path)], ["merge", str(path)]]
    for words in asked:
        assert main([*words, *(["--out", str(tmp_path / "out")] if words[0] in ("report", "merge") else [])]) == 2
        assert capsys.readouterr().err.startswith("cnnviz: no run in ")


def test_finding_11_a_lock_that_is_no_file_is_told(tmp_path):
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "lock")
    with pytest.raises(SweepUsageError, match="should be the lock of the run"):
        small.sweep(tmp_path / "run")
