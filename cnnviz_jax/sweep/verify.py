"""Everything in a run folder read back and checked against its hashes; safe on a live run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cnnviz_jax.files import file_sha256, is_plain
from cnnviz_jax.sweep.checking import examine
from cnnviz_jax.sweep.checkpoint import read_state, step_folders
from cnnviz_jax.sweep.errors import DamagedRunError, FingerprintError, StorageError, one_line
from cnnviz_jax.sweep.identity import part_of_run
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.result import TOTALS, is_done, read_manifest
from cnnviz_jax.sweep.run_file import arrays_of, read_run
from cnnviz_jax.sweep.step import STATUSES
from cnnviz_jax.sweep.store import ExampleStore


@dataclass
class Verified:
    """What was checked, and what is wrong."""

    faults: list[str] = field(default_factory=list)
    checkpoints: int = 0
    chunks: int = 0
    written: int = 0
    """Examples that have a result."""
    images: int = 0
    done: bool = False


def verify(folder: RunFolder, progress: Callable[[int, int, str], None] | None = None) -> Verified:
    """Return what is wrong in a run folder; nothing, if `faults` is empty.

    Checked are `run.json` and every checkpoint by SHA-256, every chunk by its CRC-32C and by the digests of what was
    computed for its examples, that no example is missing that was counted, and for a finished run the results' SHA-256.

    Raises:
        SweepUsageError: There is no run in the folder.
    """
    try:
        run = read_run(folder)
    except (DamagedRunError, FingerprintError) as error:
        return Verified(faults=[str(error)])
    first, stop = part_of_run(run)
    found = Verified(images=stop - first)
    try:
        found.done = is_done(folder, run)
    except DamagedRunError as error:
        found.faults.append(str(error))
    newest = _checkpoints(folder, run["fingerprint"], found)
    counts = _results(folder, run["fingerprint"], found) if found.done else None
    counted = stop if found.done else min(max(newest or first, first), stop)
    _examples(folder, run, counted, counts, found, progress)
    return found


def _checkpoints(folder: RunFolder, fingerprint: str, found: Verified) -> int | None:
    """Check every checkpoint; return the newest position that is whole."""
    newest = None
    for path in step_folders(folder.checkpoints):
        fault = _fault_of(path, fingerprint)
        if fault is not None:
            time.sleep(_SECOND_LOOK_S)  # a live run deletes old steps
            fault = _fault_of(path, fingerprint) if path.exists() else None
        elif path.exists():
            found.checkpoints += 1
            newest = max(newest or 0, int(path.name))
        if fault is not None:
            found.faults.append(f"checkpoint {path.name}: {fault}")
    return newest


_SECOND_LOOK_S = 0.5


def _fault_of(path: Path, fingerprint: str) -> str | None:
    try:
        read_state(path, fingerprint)
    except Exception as error:  # whatever a damaged file makes a library raise
        return one_line(error, 160)
    return None


def _examples(
    folder: RunFolder,
    run: dict,
    counted: int,
    counts: dict[str, int] | None,
    found: Verified,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    """Check the per-example results up to `counted`, and that `counts` of a finished run are theirs."""
    first, stop = part_of_run(run)
    for again in (False, True):
        try:
            identity = run["identity"]
            store = ExampleStore.of_run(folder.examples, arrays_of(run), identity["images"], identity["device_batch"])
            examined = examine(store, first, stop, counted=counted, progress=progress)
            faults = examined.faults
            found.chunks, found.written = examined.chunks, examined.written
            told = {name: int(examined.counts[i]) for i, name in enumerate(STATUSES) if i}
            if not faults and counts is not None and counts != told:
                faults = [f"the manifest counts {counts}, and the statuses of the examples say {told}"]
        except StorageError as error:
            # Before the first checkpoint nothing is counted, and so nothing need be there.
            faults = [str(error)] if counted > first else []
        if not faults or again or found.done:
            break
        time.sleep(_SECOND_LOOK_S)  # a run that was started meanwhile makes its arrays, or forgets what is not counted
    found.faults += faults


def _results(folder: RunFolder, fingerprint: str, found: Verified) -> dict[str, int] | None:
    """Check the results against the manifest; return its counts of images by status."""
    try:
        manifest = read_manifest(folder)
    except DamagedRunError as error:
        found.faults.append(str(error))
        return None
    for name, expected in manifest["sha256"].items():
        path = folder.results / name
        if not path.exists():
            found.faults.append(f"result {name} is missing")
        elif not is_plain(path) or file_sha256(path) != expected:
            found.faults.append(f"result {name} is damaged: its SHA-256 is not the one in the manifest")
    if TOTALS not in manifest["sha256"]:
        found.faults.append(f"the manifest does not name {TOTALS}")
    if manifest.get("fingerprint") != fingerprint:
        found.faults.append("the manifest belongs to another sweep")
    counts: dict[str, int] = manifest["counts"]
    return counts
