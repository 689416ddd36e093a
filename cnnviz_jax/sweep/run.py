"""The sweep: one specification, one model, one run folder, however many devices and however often killed.

Order is what makes it exact. Results of examples are durable before the checkpoint that counts them; totals and
position are one atomic checkpoint; after a crash the examples since then are computed and written again, to the
same bytes.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cnnviz_jax.engine import Progress, silent
from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.files import read_json, write_json
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.checkpoint import Checkpoints, State, step_folders
from cnnviz_jax.sweep.errors import FingerprintError, SweepStop, SweepUsageError
from cnnviz_jax.sweep.identity import differences, environment
from cnnviz_jax.sweep.layout import Lock, RunFolder
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.processes import from_first, gather
from cnnviz_jax.sweep.resolved import ResolvedSweep, resolve_sweep
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.step import COUNTS, STATUSES
from cnnviz_jax.sweep.store import drop_unfinished


def run_sweep(
    spec: SweepSpec,
    model: Model,
    run: str | Path,
    options: RunOptions | None = None,
    *,
    devices: Sequence[Any] | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Run a sweep to its end, from where it was left, and return its folder.

    Every process of a run calls this alike. Results do not depend on devices, processes, workers, checkpoints
    or kills: for the same versions, kind of device and device batch they are the same to the last bit.

    Args:
        spec: What to do.
        model: What `spec.model` names, loaded.
        run: The run folder; made where it does not exist.
        options: How to do it.
        devices: The devices to use; all of all processes when not given.
        progress: Called as `progress(done, total, "images")`.

    Raises:
        SweepStop: A subclass says why it stopped before its end, and holds the exit code.
    """
    options = options or RunOptions()
    folder = RunFolder(Path(run)).shard(*options.shard)
    resolved = resolve_sweep(spec, model, folder, options, devices)
    marks = gather([int(resolved.fingerprint[i : i + 16], 16) for i in range(0, 64, 16)])
    if any(tuple(row) != tuple(marks[0]) for row in marks):
        raise FingerprintError("the processes of this run were given different specifications, models or images")
    empty = _empty_totals(resolved)
    begun = _Begun()
    stop: SweepStop | None = None
    if jax.process_index() == 0:
        try:
            begun = _begin(resolved, folder, options, empty)
        except SweepStop as error:
            stop = error
    code, done, next_index = from_first(
        [stop.code if stop else 0, int(begun.done), begun.state.next_index if begun.state else 0]
    )
    if stop is not None:
        raise stop
    if code:
        raise _like_the_first(code)
    try:
        if not done:
            first, end = resolved.part(options.shard)
            state = begun.state or State(max(next_index, first), empty)
            loop = Loop(resolved, folder, options, state, end, begun.checkpoints, progress or silent)
            loop.run()
    finally:
        if begun.lock is not None:
            begun.lock.release()
    return folder


@dataclass(frozen=True)
class _Begun:
    """What process 0 holds once it may write."""

    done: bool = False
    lock: Lock | None = None
    state: State | None = None
    checkpoints: Checkpoints | None = None


def _begin(resolved: ResolvedSweep, folder: RunFolder, options: RunOptions, empty: dict[str, Total]) -> _Begun:
    """Check, lock and restore, on process 0; what belongs to another run is not touched."""
    if options.restart:
        lock = Lock(folder.lock)
        _throw_away(folder)
    else:
        _check_same(resolved, folder, options)
        if folder.done.exists():
            return _Begun(done=True)
        lock = Lock(folder.lock)
    try:
        if not folder.run.exists():
            if step_folders(folder.checkpoints):
                raise FingerprintError(f"{folder.root} has checkpoints and no run.json; --restart begins anew")
            write_json(folder.run, _frozen(resolved, options))
        drop_unfinished(folder.examples)
        checkpoints = Checkpoints(folder, resolved.fingerprint, options.keep)
        state = checkpoints.restore(empty)
        checkpoints.open()
    except BaseException:
        lock.release()
        raise
    first, _ = resolved.part(options.shard)
    return _Begun(lock=lock, state=state or State(first, empty), checkpoints=checkpoints)


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
        "arrays": {name: [list(leaf.shape[1:]), str(leaf.dtype)] for name, leaf in resolved.step.outputs.items()},
        "views": {p.asked.name: p.fold.view for p in resolved.work.explanations},
        "labels": list(model.labels or ()),
        "environment": environment(),
        "need_bytes": resolved.step.need_bytes,
    }


def _throw_away(folder: RunFolder) -> None:
    for path in (folder.done, folder.run):
        path.unlink(missing_ok=True)
    for path in (folder.checkpoints, folder.examples, folder.results, folder.root / "errors", folder.root / "log"):
        shutil.rmtree(path, ignore_errors=True)


def _empty_totals(resolved: ResolvedSweep) -> dict[str, Total]:
    totals = {name: reducer.empty() for name, reducer in resolved.work.reducers.items()}
    return {**totals, COUNTS: {"count": np.zeros(len(STATUSES), np.int64)}}


def _like_the_first(code: int) -> SweepStop:
    stop = SweepStop("process 0 stopped; its message says why")
    stop.code = code
    return stop
