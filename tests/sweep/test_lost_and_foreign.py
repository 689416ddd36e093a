"""Chunks, checkpoints and proofs that are gone, damaged or another's: a run says so, before it says that it is done."""

import os
import shutil
from pathlib import Path

import pytest

from cnnviz_jax.cli import main
from cnnviz_jax.sweep import checkpoint, layout
from cnnviz_jax.sweep.checkpoint import step_folders
from cnnviz_jax.sweep.errors import EXIT_CODES, CheckpointError, DamagedRunError
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.verify import verify
from tests.sweep import fixtures, harness, small


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    return small.sweep(tmp_path_factory.mktemp("finished") / "run").root


@pytest.fixture(scope="module")
def expected(finished_run):
    return harness.content(finished_run)


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    """A run stopped after image 8."""
    return small.stop_after(2, tmp_path_factory.mktemp("stopped") / "run")


@pytest.fixture
def finished(tmp_path, finished_run):
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def stopped(tmp_path, stopped_run):
    return Path(shutil.copytree(stopped_run, tmp_path / "run"))


def chunk(folder, array):
    (found,) = (path for path in (folder / "examples.zarr" / array / "c").rglob("*") if path.is_file())
    return found


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_finding_1_the_arrays_are_those_that_the_tests_know(finished_run):
    assert tuple(sorted(harness.content(finished_run))) == tuple(sorted((*small.ARRAYS, "moments.npz", "totals.npz")))
    assert verify(RunFolder(finished_run)).faults == []


@pytest.mark.parametrize("array", small.ARRAYS)
def test_findings_1_and_3_a_deleted_chunk_of_any_array_stops_a_resume_at_its_start(stopped, array, monkeypatch):
    chunk(stopped, array).unlink()
    before = files(stopped)
    monkeypatch.setattr(Loop, "run", None)  # no step is run
    lacks = "example 0 was counted and has no status" if array == "status" else "example 0 has a status and no value"
    with pytest.raises(DamagedRunError, match=f"{array}: {lacks}") as stop:
        small.sweep(stopped)
    assert stop.value.code == 4
    assert files(stopped) == before


@pytest.mark.parametrize("array", small.ARRAYS)
def test_finding_1_verify_names_a_deleted_chunk_of_any_array(finished, array):
    chunk(finished, array).unlink()
    assert any(fault.startswith(f"{array}: example 0 ") for fault in verify(RunFolder(finished)).faults)


@pytest.mark.parametrize(("array", "foreign"), [("pred", "label"), ("label", "pred"), ("scale/saliency", "pred_score")])
def test_finding_1_a_valid_chunk_at_the_wrong_place_is_named(finished, stopped_run, tmp_path, array, foreign):
    shutil.copyfile(chunk(finished, foreign), chunk(finished, array))
    assert f"{array}: examples 0 to 3 are not what was computed for them" in verify(RunFolder(finished)).faults
    stopped = Path(shutil.copytree(stopped_run, tmp_path / "stopped"))
    shutil.copyfile(chunk(stopped, foreign), chunk(stopped, array))
    with pytest.raises(DamagedRunError, match=f"{array}: examples 0 to 3 are not what was computed"):
        small.sweep(stopped)


def test_finding_1_a_chunk_of_another_run_is_named(finished, tmp_path):
    other = small.sweep(tmp_path / "other", net=fixtures.net(3)).root
    shutil.copyfile(chunk(other, "heat/saliency"), chunk(finished, "heat/saliency"))
    assert "heat/saliency: examples 0 to 3 are not what was computed for them" in verify(RunFolder(finished)).faults


def test_finding_1_digests_that_are_gone_are_a_fault(finished):
    shutil.rmtree(finished / "digests.zarr" / "digests" / "c")
    assert "pred: examples 0 to 3 have a status and no digest" in verify(RunFolder(finished)).faults


@pytest.mark.parametrize("array", ["heat/saliency", "pred", "status"])
def test_finding_1_a_chunk_lost_while_the_run_goes_on_stops_it_before_done(tmp_path, array, monkeypatch):
    flush = Loop._flush

    def losing(self, number, deltas):
        found = flush(self, number, deltas)
        if number == 2:
            chunk(self.folder.root, array).unlink()
        return found

    monkeypatch.setattr(Loop, "_flush", losing)
    with pytest.raises(DamagedRunError, match=array) as stop:
        small.sweep(tmp_path / "run")
    assert stop.value.code == 4
    assert not (tmp_path / "run" / "DONE.json").exists()
    monkeypatch.undo()
    with pytest.raises(DamagedRunError, match=array):  # and so does the next start: it does not go on for ever
        small.sweep(tmp_path / "run")


def test_finding_2_a_kill_in_the_middle_of_a_deletion_leaves_no_fault(tmp_path, monkeypatch, expected):
    class Killed(BaseException):
        pass

    def half(path):
        next(each for each in path.rglob("*") if each.is_file()).unlink()
        raise Killed

    monkeypatch.setattr(checkpoint, "remove", half)
    with pytest.raises(Killed):
        small.sweep(tmp_path / "run", keep=1)
    monkeypatch.undo()
    assert list((tmp_path / "run" / "ckpt").glob(".old-*"))
    assert verify(RunFolder(tmp_path / "run")).faults == []
    small.sweep(tmp_path / "run", keep=1)
    assert verify(RunFolder(tmp_path / "run")).faults == []
    assert sorted(path.name for path in (tmp_path / "run" / "ckpt").iterdir()) == ["12"]
    harness.assert_equal(tmp_path / "run", expected)


def test_finding_2_a_half_deleted_step_of_an_older_version_goes_at_the_start(stopped, expected):
    shutil.rmtree(step_folders(stopped / "ckpt")[-1] / "state")
    assert verify(RunFolder(stopped)).faults
    small.sweep(stopped, keep=9)
    assert verify(RunFolder(stopped)).faults == []
    harness.assert_equal(stopped, expected)


def test_finding_2_files_that_were_being_written_go_at_the_start(stopped):
    left = [stopped / ".DONE.1a2b3c4d.json", stopped / "result" / ".totals.00000000.npz"]
    left += [
        stopped / "examples.zarr" / "heat" / ".zarr.0123abcd.json",
        stopped / "examples.zarr" / "pred" / ".zarr.0123abcd.json",
    ]
    mine = stopped / ".notes.txt"
    for path in (*left, mine):
        path.parent.mkdir(exist_ok=True)
        path.write_text("unfinished")
    small.sweep(stopped)
    assert not any(path.exists() for path in left)
    assert mine.exists()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


LOSSES = {
    "the statuses": lambda folder: shutil.rmtree(folder / "examples.zarr" / "status" / "c"),
    "all examples": lambda folder: shutil.rmtree(folder / "examples.zarr"),
    "the digests": lambda folder: shutil.rmtree(folder / "digests.zarr"),
    "an array": lambda folder: shutil.rmtree(folder / "examples.zarr" / "pred"),
    "an array's metadata": lambda folder: (folder / "examples.zarr" / "pred" / "zarr.json").write_text("{}"),
    "a bit of the predictions": lambda folder: flip(chunk(folder, "pred")),
    "a bit of the maps": lambda folder: flip(chunk(folder, "heat/saliency")),
    "a bit of the statuses": lambda folder: flip(chunk(folder, "status")),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_finding_3_what_is_lost_stops_the_start_with_a_code_that_is_not_restarted(stopped, loss, monkeypatch):
    LOSSES[loss](stopped)
    before = files(stopped)
    monkeypatch.setattr(Loop, "run", None)
    with pytest.raises(DamagedRunError, match="begin anew with --restart") as stop:
        small.sweep(stopped)
    assert stop.value.code == 4
    assert files(stopped) == before
    assert "damaged" in EXIT_CODES[4]


def test_finding_3_a_damaged_chunk_that_is_not_counted_is_written_again(tmp_path, monkeypatch, expected):
    """Killed between the chunk and the checkpoint; nothing is lost, so nothing stops."""

    class Killed(BaseException):
        pass

    def killed(self, state):
        raise Killed

    monkeypatch.setattr(checkpoint.Checkpoints, "save", killed)
    with pytest.raises(Killed):
        small.sweep(tmp_path / "run")
    monkeypatch.undo()
    for array in small.ARRAYS:
        flip(chunk(tmp_path / "run", array))
    small.sweep(tmp_path / "run")
    harness.assert_equal(tmp_path / "run", expected)


def test_finding_9_an_empty_proof_is_no_success(finished, capsys):
    (finished / "DONE.json").write_bytes(b"")
    with pytest.raises(DamagedRunError, match=r"DONE\.json is damaged: it is empty"):
        small.sweep(finished)
    assert verify(RunFolder(finished)).faults
    assert main(["sweep-status", str(finished)]) == 2
    assert "DONE.json" in capsys.readouterr().err
    (finished / "DONE.json").unlink()
    small.sweep(finished)
    assert verify(RunFolder(finished)).faults == []


def test_finding_9_a_proof_of_another_run_is_no_success(finished, tmp_path):
    other = small.sweep(tmp_path / "other", seed=1).root
    shutil.copyfile(other / "DONE.json", finished / "DONE.json")
    with pytest.raises(DamagedRunError, match=r"it belongs to another sweep\. Remove it"):
        small.sweep(finished)


@pytest.mark.parametrize("gone", ["the folder", "what is in it"])
def test_finding_9_a_run_whose_checkpoints_are_gone_does_not_begin_again(stopped, gone):
    shutil.rmtree(stopped / "ckpt")
    if gone == "what is in it":
        (stopped / "ckpt").mkdir()
    before = files(stopped)
    with pytest.raises(CheckpointError, match=r"gone; restore .* from a copy, or begin anew with --restart"):
        small.sweep(stopped)
    assert files(stopped) == before
    small.sweep(stopped, options={"restart": True})
    assert verify(RunFolder(stopped)).faults == []


def test_finding_9_an_edited_run_file_is_told_from_a_written_one(stopped):
    text = (stopped / "run.json").read_text()
    (stopped / "run.json").write_text(text.replace('"device_batch": 4', '"device_batch": 8'))
    with pytest.raises(DamagedRunError, match="its SHA-256 is not the one in it"):
        small.sweep(stopped)


def test_restart_deletes_a_link_and_not_what_it_leads_to(stopped, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    os.rename(stopped / "examples.zarr", elsewhere)
    (stopped / "examples.zarr").symlink_to(elsewhere)
    kept = files(elsewhere)
    small.sweep(stopped, options={"restart": True})
    assert files(elsewhere) == kept
    assert verify(RunFolder(stopped)).faults == []


def test_finding_2_what_a_live_run_deletes_meanwhile_is_not_strange(tmp_path, monkeypatch):
    """And a link that leads nowhere is."""
    going = tmp_path / "0.__lock"
    going.write_text("unfinished")
    plain = layout.is_plain
    monkeypatch.setattr(layout, "is_plain", lambda path: (path.unlink(), plain(path))[1])
    assert layout.irregular(tmp_path) is None
    monkeypatch.undo()
    going.symlink_to(tmp_path / "nowhere")
    assert layout.irregular(tmp_path) == going
