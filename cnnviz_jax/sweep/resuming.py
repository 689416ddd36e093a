"""Where a sweep begins, or resumes: the folder checked against the specification, locked, its newest state restored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.files import drop_temporaries
from cnnviz_jax.sweep.checking import require_whole
from cnnviz_jax.sweep.checkpoint import Checkpoints, State, step_folders
from cnnviz_jax.sweep.errors import CheckpointError, DamagedRunError, FingerprintError, StorageError, SweepUsageError
from cnnviz_jax.sweep.identity import differences, environment
from cnnviz_jax.sweep.layout import Lock, RunFolder, remove
from cnnviz_jax.sweep.resolved import ResolvedSweep
from cnnviz_jax.sweep.result import is_done
from cnnviz_jax.sweep.run_file import arrays_of, is_run, read_run, write_run
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.step import COUNTS, STATUSES
from cnnviz_jax.sweep.store import ExampleStore, drop_unfinished, storing


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
        SweepUsageError: There is nothing to resume, or something, against `options.resume`; or no run can lie there.
        LockedError: Another process runs in it.
        CheckpointError: No checkpoint can be trusted.
        DamagedRunError: What was counted is missing or damaged, or run.json or DONE.json are not what was written.
        StorageError: The disk is full or failing.
    """
    with storing("the run folder"):
        if options.restart:
            lock = Lock(folder.lock)  # before anything is discarded: a live run may be writing there
            discard(folder)
        else:
            # Before the lock, which writes a file: what belongs to another sweep is not touched at all.
            if _is_done(resolved, folder, options):
                return Begun(done=True)
            lock = Lock(folder.lock)
    checkpoints = None
    try:
        _drop_leftovers(folder)  # only now that nobody else can be writing
        checkpoints = Checkpoints(folder, resolved.fingerprint, options.keep)
        state = _restored(resolved, folder, options, checkpoints, empty)
        checkpoints.open()
    except BaseException:
        if checkpoints is not None:
            checkpoints.close()
        lock.release()
        raise
    return Begun(lock=lock, state=state, checkpoints=checkpoints)


def _restored(
    resolved: ResolvedSweep, folder: RunFolder, options: RunOptions, checkpoints: Checkpoints, empty: dict[str, Total]
) -> State:
    """Return the newest state, whose examples are all there; nothing else lies in the folder after that."""
    first, stop = resolved.part(options.shard)
    if not is_run(folder):
        if step_folders(folder.checkpoints):
            raise FingerprintError(f"{folder.root} has checkpoints and no run.json; --restart begins anew")
        with storing("the run folder"):
            # Before run.json: a run without this folder has lost it.
            folder.checkpoints.mkdir(exist_ok=True)
            write_run(folder, _frozen(resolved, options))
    elif not folder.checkpoints.is_dir():
        raise CheckpointError(
            f"{folder.root} holds a run whose folder of checkpoints, {folder.checkpoints}, is gone; restore it from a "
            f"copy, or begin anew with --restart"
        )
    state = checkpoints.restore(empty) or State(first, empty)
    run = read_run(folder)
    if state.next_index == first:
        # Nothing is counted, so what examples there are go: of a damaged array no chunk could be written again.
        with storing("the arrays"):
            remove(folder.examples)
            remove(folder.digests)
        return state
    try:
        store = ExampleStore.of_run(folder.examples, arrays_of(run), resolved.count, resolved.device_batch)
    except StorageError as error:
        raise DamagedRunError(
            f"{state.next_index - first} examples of {folder.root} were counted and cannot be read any more: {error}. "
            f"Bring them back from a copy, or begin anew with --restart"
        ) from error
    counts = state.totals[COUNTS]["count"]
    require_whole(store, first, stop, counted=state.next_index, counts=counts, brief=True)
    store.forget_from(state.next_index)
    return state


def _drop_leftovers(folder: RunFolder) -> None:
    with storing("the run folder"):
        drop_unfinished(folder.examples)
        groups = {path.parent for root in (folder.examples, folder.digests) for path in root.rglob("zarr.json")}
        for place in {folder.root, folder.results, folder.examples, folder.digests, *groups}:
            drop_temporaries(place)


def _is_done(resolved: ResolvedSweep, folder: RunFolder, options: RunOptions) -> bool:
    _check_same(resolved, folder, options)
    return is_run(folder) and is_done(folder, read_run(folder))


def _check_same(resolved: ResolvedSweep, folder: RunFolder, options: RunOptions) -> None:
    exists = is_run(folder)
    if options.resume == "must" and not exists:
        raise SweepUsageError(f"nothing to resume in {folder.root}")
    if options.resume == "never" and exists:
        raise SweepUsageError(f"{folder.root} holds a run, and --resume never was given")
    if not exists:
        return
    frozen = read_run(folder)
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
        "started_in": str(Path.cwd()),
        "need_bytes": resolved.step.need_bytes,
    }


def discard(folder: RunFolder) -> None:
    """Remove what a run has written; whoever calls this holds its lock."""
    # The proof first: killed half-way, the folder must not look finished, nor like a run that can be resumed.
    written = (folder.checkpoints, folder.finished_checkpoints, folder.examples, folder.digests, folder.results)
    for path in (folder.done, folder.run, *written, folder.root / "errors", folder.root / "log"):
        remove(path)


def empty_totals(resolved: ResolvedSweep) -> dict[str, Total]:
    """Return the totals of no images."""
    totals = {name: reducer.empty() for name, reducer in resolved.work.reducers.items()}
    return {**totals, COUNTS: {"count": np.zeros(len(STATUSES), np.int64)}}
