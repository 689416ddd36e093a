"""The sweep: one specification, one model, one run folder, however many devices and however often killed.

Order is what makes it exact. Results of examples are durable before the checkpoint that counts them; totals and
position are one atomic checkpoint; after a crash the examples since then are computed and written again, to the
same bytes.
"""

import functools
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from cnnviz_jax.engine import Progress, silent
from cnnviz_jax.engine.reducers import Total
from cnnviz_jax.model import Model
from cnnviz_jax.sweep.checkpoint import Checkpoints, State, step_folders
from cnnviz_jax.sweep.exits import FingerprintError, SweepStop, SweepUsageError
from cnnviz_jax.sweep.layout import Lock, RunFolder, read_json, write_json
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.memory import settle_tile
from cnnviz_jax.sweep.processes import from_first, gather
from cnnviz_jax.sweep.source import Source, open_source
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.step import COUNTS, STATUSES, Step
from cnnviz_jax.sweep.store import drop_unfinished
from cnnviz_jax.sweep.work import Work, differences, fingerprint
from cnnviz_jax.verbs.options import versions


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a sweep is run; none of this changes a result."""

    resume: Literal["auto", "must", "never"] = "auto"
    """Whether to go on with what lies in the folder."""
    restart: bool = False
    """Throw away what lies in the folder and begin anew."""
    memory_budget: str = "0.6"
    """Per device: a share of what is free, or a size such as 8GiB."""
    workers: int = 0
    """Processes that decode pictures; 0 decodes in threads."""
    checkpoint_every: str = "120s"
    """Seconds (`120s`) or steps (`50steps`) between checkpoints."""
    keep: int = 3
    """Checkpoints kept."""
    shard: tuple[int, int] = (0, 1)
    """This run does part i of n, alone; `cnnviz merge` joins them."""

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 0 <= index < count:
            raise SweepUsageError(f"shard {index}/{count}: shards of {count} run from 0/{count} to {count - 1}/{count}")
        if self.workers < 0 or self.keep < 1:
            raise SweepUsageError(f"workers is 0 or more and keep 1 or more, got {self.workers} and {self.keep}")
        self.interval  # noqa: B018  # a wrong text is refused here

    @property
    def interval(self) -> tuple[Literal["seconds", "steps"], float]:
        """The unit and the number of `checkpoint_every`."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|steps?)", self.checkpoint_every.strip())
        if not found or float(found[1]) <= 0:
            raise SweepUsageError(
                f"ckpt-every is seconds such as 120s or steps such as 50steps, got {self.checkpoint_every!r}"
            )
        return ("seconds" if found[2] == "s" else "steps"), float(found[1])


@dataclass(frozen=True)
class Settled:
    """A sweep settled against model, pictures and devices: ready to run, nothing run yet."""

    spec: SweepSpec
    work: Work
    source: Source
    count: int
    """Pictures of the population, all shards."""
    tile: int
    """Pictures per device and step."""
    devices: tuple[Any, ...]
    memory_budget: str
    identity: dict[str, Any]

    @functools.cached_property
    def step(self) -> Step:
        """The compiled step; compiled when first asked for.

        Raises:
            OutOfMemoryError: It does not fit the budget.
        """
        return settle_tile(self.work, self.devices, self.tile, self.spec.inner_chunk, self.memory_budget)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides results."""
        return fingerprint(self.identity)

    def part(self, shard: tuple[int, int]) -> tuple[int, int]:
        """Return the first picture of a shard and one past its last; whole tiles."""
        tiles, (index, count) = -(-self.count // self.step.tile), shard
        first, stop = tiles * index // count, tiles * (index + 1) // count
        return min(first * self.tile, self.count), min(stop * self.tile, self.count)


def settle(
    spec: SweepSpec,
    model: Model,
    folder: RunFolder,
    options: RunOptions | None = None,
    devices: Sequence[Any] | None = None,
) -> Settled:
    """Return the sweep ready to run: parts built, tile chosen; compiled only where that chooses the tile.

    Raises:
        SweepUsageError: Something in the specification does not exist or does not fit.
        OutOfMemoryError: No tile fits the budget.
    """
    options = options or RunOptions()
    source = open_source(spec.source, model.input_shape, labels=spec.labels, crop_share=spec.crop_share)
    count = min(len(source), spec.limit or len(source))
    work = Work.plan(spec, model, source)
    identity = work.identity(spec, source, count)
    tile, chunk = spec.tile, spec.inner_chunk
    if tile == "auto" and folder.run.exists() and not options.restart:
        tile = read_json(folder.run)["identity"]["tile"]
    chosen = tuple(jax.devices()) if devices is None else tuple(devices)
    if tile == "auto":
        tile = settle_tile(work, chosen, tile, chunk, options.memory_budget).tile
        tile = min(int(row[0]) for row in gather([tile]))
    tile = int(tile)
    identity |= {"tile": tile, "inner_chunks": list(work.inner_chunks(tile, chunk))}
    return Settled(spec, work, source, count, tile, chosen, options.memory_budget, identity)


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
    or kills: for the same versions, kind of device and tile they are the same to the last bit.

    Args:
        spec: What to do.
        model: What `spec.model` names, loaded.
        run: The run folder; made where it does not exist.
        options: How to do it.
        devices: The devices to use; all of all processes when not given.
        progress: Called as `progress(done, total, "pictures")`.

    Raises:
        SweepStop: A subclass says why it stopped before its end, and holds the exit code.
    """
    options = options or RunOptions()
    folder = RunFolder(Path(run)).shard(*options.shard)
    settled = settle(spec, model, folder, options, devices)
    marks = gather([int(settled.fingerprint[i : i + 16], 16) for i in range(0, 64, 16)])
    if any(tuple(row) != tuple(marks[0]) for row in marks):
        raise FingerprintError("the processes of this run were given different specifications, models or pictures")
    empty = _empty_totals(settled)
    begun = _Begun()
    stop: SweepStop | None = None
    if jax.process_index() == 0:
        try:
            begun = _begin(settled, folder, options, empty)
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
            first, end = settled.part(options.shard)
            state = begun.state or State(max(next_index, first), empty)
            loop = Loop(settled, folder, options, state, end, begun.checkpoints, progress or silent)
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


def _begin(settled: Settled, folder: RunFolder, options: RunOptions, empty: dict[str, Total]) -> _Begun:
    """Check, lock and restore, on process 0; what belongs to another run is not touched."""
    if options.restart:
        lock = Lock(folder.lock)
        _throw_away(folder)
    else:
        _check_same(settled, folder, options)
        if folder.done.exists():
            return _Begun(done=True)
        lock = Lock(folder.lock)
    try:
        if not folder.run.exists():
            if step_folders(folder.checkpoints):
                raise FingerprintError(f"{folder.root} has checkpoints and no run.json; --restart begins anew")
            write_json(folder.run, _frozen(settled, options))
        drop_unfinished(folder.examples)
        checkpoints = Checkpoints(folder, settled.fingerprint, options.keep)
        state = checkpoints.restore(empty)
        checkpoints.open()
    except BaseException:
        lock.release()
        raise
    first, _ = settled.part(options.shard)
    return _Begun(lock=lock, state=state or State(first, empty), checkpoints=checkpoints)


def _check_same(settled: Settled, folder: RunFolder, options: RunOptions) -> None:
    exists = folder.run.exists()
    if options.resume == "must" and not exists:
        raise SweepUsageError(f"nothing to resume in {folder.root}")
    if options.resume == "never" and exists:
        raise SweepUsageError(f"{folder.root} holds a run, and --resume never was given")
    if not exists:
        return
    frozen = read_json(folder.run)
    if frozen["fingerprint"] != settled.fingerprint or frozen["shard"] != list(options.shard):
        old, new = ({**each, "shard": shard} for each, shard in (
            (frozen["identity"], frozen["shard"]), (settled.identity, list(options.shard))
        ))  # fmt: skip
        listed = "; ".join(differences(old, new)[:8])
        raise FingerprintError(f"{folder.root} belongs to another sweep: {listed}. Use another folder, or --restart")


def _frozen(settled: Settled, options: RunOptions) -> dict[str, Any]:
    model = settled.work.model
    return {
        "fingerprint": settled.fingerprint,
        "identity": settled.identity,
        "spec": settled.spec.as_dict(),
        "shard": list(options.shard),
        "arrays": {name: [list(leaf.shape[1:]), str(leaf.dtype)] for name, leaf in settled.step.outputs.items()},
        "views": {p.asked.name: p.fold.view for p in settled.work.explanations},
        "labels": list(model.labels or ()),
        "environment": environment(),
        "need_bytes": settled.step.need_bytes,
    }


def environment() -> dict[str, Any]:
    """Return what bit-equality is promised for: versions, backend and kind of device."""
    device = jax.devices()[0]
    return {"versions": dict(versions()), "backend": jax.default_backend(), "device_kind": device.device_kind}


def _throw_away(folder: RunFolder) -> None:
    for path in (folder.done, folder.run):
        path.unlink(missing_ok=True)
    for path in (folder.checkpoints, folder.examples, folder.results, folder.root / "errors", folder.root / "log"):
        shutil.rmtree(path, ignore_errors=True)


def _empty_totals(settled: Settled) -> dict[str, Total]:
    totals = {name: reducer.empty() for name, reducer in settled.work.reducers.items()}
    return {**totals, COUNTS: {"count": np.zeros(len(STATUSES), np.int64)}}


def _like_the_first(code: int) -> SweepStop:
    stop = SweepStop("process 0 stopped; its message says why")
    stop.code = code
    return stop
