"""Everything in a run folder read back and checked against its hashes; safe on a live run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnnviz_jax.files import file_sha256, read_json
from cnnviz_jax.sweep.checkpoint import read_state, step_folders
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.identity import part_of_run
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.result import MANIFEST
from cnnviz_jax.sweep.step import OK
from cnnviz_jax.sweep.store import STATUS, ExampleStore


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

    Checked are the checkpoints' SHA-256, the CRC-32C of every chunk, that every example with a status has its
    values, and for a finished run the results' SHA-256 and that no example is missing.

    Raises:
        SweepUsageError: There is no run in the folder.
    """
    if not folder.run.exists():
        raise SweepUsageError(f"no run in {folder.root}")
    try:
        run = read_json(folder.run)
        first, stop = part_of_run(run)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        return Verified(faults=[f"run.json is damaged: {error}"])
    found = Verified(images=stop - first, done=folder.done.exists())
    _checkpoints(folder, run["fingerprint"], found)
    _examples(folder, run, first, stop, found, progress)
    if found.done:
        _results(folder, run["fingerprint"], found)
    return found


def _checkpoints(folder: RunFolder, fingerprint: str, found: Verified) -> None:
    for path in step_folders(folder.checkpoints):
        fault = _fault_of(path, fingerprint)
        if fault is not None:
            time.sleep(_SECOND_LOOK_S)  # a live run deletes old steps, file by file
            fault = _fault_of(path, fingerprint) if path.exists() else None
        elif path.exists():
            found.checkpoints += 1
        if fault is not None:
            found.faults.append(f"checkpoint {path.name}: {fault}")


_SECOND_LOOK_S = 0.5


def _fault_of(path: Path, fingerprint: str) -> str | None:
    try:
        read_state(path, fingerprint)
    except Exception as error:  # whatever a damaged file makes a library raise
        text = str(error).strip().splitlines()
        return text[0][:160] if text else type(error).__name__
    return None


def _examples(
    folder: RunFolder,
    run: dict,
    first: int,
    stop: int,
    found: Verified,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    if not (folder.examples / STATUS / "zarr.json").exists():
        if found.done:
            found.faults.append("examples.zarr is missing")
        return
    try:
        store = ExampleStore.open(folder.examples)
        status = store.read(STATUS, slice(0, store.rows))
    except OSError as error:
        found.faults.append(str(error))
        return
    if missing := set(run["arrays"]) - set(store.arrays):
        found.faults.append(f"arrays are missing: {', '.join(sorted(missing))}")
    found.written = int((status[first:stop] != 0).sum())
    if found.done and found.written < stop - first:
        found.faults.append(f"{stop - first - found.written} examples have no status, though DONE.json is there")
    names = [name for name in store.arrays if name != STATUS]
    for number, name in enumerate(names):
        spec = store.specs[name]
        step = spec.chunk_rows(run["identity"]["device_batch"])
        for begin in range(0, store.rows, step):
            rows = slice(begin, min(begin + step, store.rows))
            try:
                values = store.read(name, rows)
            except OSError as error:
                found.faults.append(f"{name}, examples {rows.start} to {rows.stop - 1}: {error}")
                continue
            found.chunks += 1
            if values.dtype.kind == "f":
                # NaN is what was never written, and an example with the status ok has only finite values.
                absent = np.isnan(values.reshape(len(values), -1)).all(1) & (status[rows] == OK)
                if absent.any():
                    found.faults.append(f"{name}: example {begin + int(np.argmax(absent))} has a status and no value")
        if progress is not None:
            progress(number + 1, len(names), "arrays")


def _results(folder: RunFolder, fingerprint: str, found: Verified) -> None:
    try:
        manifest = read_json(folder.results / MANIFEST)
        for name, expected in manifest["sha256"].items():
            path = folder.results / name
            if not path.exists():
                found.faults.append(f"result {name} is missing")
            elif file_sha256(path) != expected:
                found.faults.append(f"result {name} is damaged: its SHA-256 is not the one in the manifest")
        for name, content in (("manifest", manifest), ("DONE.json", read_json(folder.done))):
            if content["fingerprint"] != fingerprint:
                found.faults.append(f"{name} belongs to another sweep")
    except (OSError, json.JSONDecodeError, KeyError) as error:
        found.faults.append(f"the manifest cannot be read: {error}")
