"""Where a sweep begins, or resumes: the folder checked against the specification, locked, its newest state restored."""

import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.files import read_json, write_json
from cnnviz_jax.sweep.checkpoint import Checkpoints, State, step_folders
from cnnviz_jax.sweep.errors import FingerprintError, SweepUsageError
from cnnviz_jax.sweep.identity import differences, environment
from cnnviz_jax.sweep.layout import Lock, RunFolder
from cnnviz_jax.sweep.resolved import ResolvedSweep
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.step import COUNTS, STATUSES
from cnnviz_jax.sweep.store import drop_unfinished


@dataclass(frozen=True)
class Begun:
    """What process 0 holds once it may write."""

    done: bool = False
    lock: Lock | None = None
    state: State | None = None
    checkpoints: Checkpoints | None = None


def begin_or_resume(resolved: ResolvedSweep, folder: RunFolder, options: RunOptions, empty: dict[str, Total]) -> Begun:
    """Check, lock and restore, on process 0; what belongs to another run is not touched.

    Args:
        resolved: The sweep.
        folder: Its run folder.
        options: Whether to resume, or to discard what is there.
        empty: Totals of no images.

    Raises:
        FingerprintError: The folder belongs to another sweep.
        SweepUsageError: There is nothing to resume, or something, against `options.resume`.
        LockedError: Another process runs in it.
        CheckpointError: No checkpoint can be trusted.
    """
    if options.restart:
        lock = Lock(folder.lock)  # before anything is discarded: a live run may be writing there
        _discard(folder)
    else:
        # Before the lock, which writes a file: what belongs to another sweep is not touched at all.
        _check_same(resolved, folder, options)
        if folder.done.exists():
            return Begun(done=True)
        lock = Lock(folder.lock)
    try:
        if not folder.run.exists():
            if step_folders(folder.checkpoints):
                raise FingerprintError(f"{folder.root} has checkpoints and no run.json; --restart begins anew")
            write_json(folder.run, _frozen(resolved, options))
        drop_unfinished(folder.examples)  # only now that nobody else can be writing
        checkpoints = Checkpoints(folder, resolved.fingerprint, options.keep)
        state = checkpoints.restore(empty)
        checkpoints.open()
    except BaseException:
        lock.release()
        raise
    first, _ = resolved.part(options.shard)
    return Begun(lock=lock, state=state or State(first, empty), checkpoints=checkpoints)


def _check_same(resolved: ResolvedSweep, folder: RunFolder, options: RunOptions) -> None:
    exists = folder.run.exists()
    if options.resume == "must" and not exists:
        raise SweepUsageError(f"nothing to resume in {folder.root}")
    if options.resume == "never" and exists:
        raise SweepUsageError(f"{folder.root} holds a run, and --resume never was given")
    if not exists:
        return
    frozen = read_json(folder.run)
    if frozen["fingerprint"] != resolved.fingerprint or frozen["shard"] != list(options.shard):
        old, new = ({**each, "shard": shard} for each, shard in (
            (frozen["identity"], frozen["shard"]), (resolved.identity, list(options.shard))
        ))  # fmt: skip
        listed = "; ".join(differences(old, new)[:8])
        raise FingerprintError(f"{folder.root} belongs to another sweep: {listed}. Use another folder, or --restart")


def _frozen(resolved: ResolvedSweep, options: RunOptions) -> dict[str, Any]:
    model = resolved.work.model
    return {
        "fingerprint": resolved.fingerprint,
        "identity": resolved.identity,
        "spec": resolved.spec.as_dict(),
        "shard": list(options.shard),
        "arrays": {name: [list(spec.shape), spec.dtype] for name, spec in resolved.step.arrays.items()},
        "views": {p.asked.name: p.fold.view for p in resolved.work.explanations},
        "labels": list(model.labels or ()),
        "environment": environment(),
        "need_bytes": resolved.step.need_bytes,
    }


def _discard(folder: RunFolder) -> None:
    # The proof first: killed half-way, the folder must not look finished, nor like a run that can be resumed.
    for path in (folder.done, folder.run):
        path.unlink(missing_ok=True)
    for path in (folder.checkpoints, folder.examples, folder.results, folder.root / "errors", folder.root / "log"):
        shutil.rmtree(path, ignore_errors=True)


def empty_totals(resolved: ResolvedSweep) -> dict[str, Total]:
    """Return the totals of no images."""
    totals = {name: reducer.empty() for name, reducer in resolved.work.reducers.items()}
    return {**totals, COUNTS: {"count": np.zeros(len(STATUSES), np.int64)}}
