"""The sweep: one specification, one model, one run folder, however many devices and however often killed.

Order is what makes it exact. Results of examples are durable before the checkpoint that counts them; totals and
position are one atomic checkpoint; after a crash the examples since then are computed and written again, to the
same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from cnnviz_jax.engine import Progress, silent
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.checkpoint import State
from cnnviz_jax.sweep.errors import FingerprintError, SweepStop
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.loop import Loop
from cnnviz_jax.sweep.processes import from_first, gather
from cnnviz_jax.sweep.resolved import resolve_sweep
from cnnviz_jax.sweep.resuming import Begun, begin_or_resume, empty_totals
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec


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
    # 256 bits as four whole numbers: what processes tell each other is numbers.
    marks = gather([int(resolved.fingerprint[i : i + 16], 16) for i in range(0, 64, 16)])
    if any(tuple(row) != tuple(marks[0]) for row in marks):
        raise FingerprintError("the processes of this run were given different specifications, models or images")
    empty = empty_totals(resolved)
    begun = Begun()
    stop: SweepStop | None = None
    # Only process 0 looks into the folder, so that processes of one run cannot find different things there. An error is
    # held back until the others know of it: they would wait for process 0 until the heartbeat gives it up.
    if jax.process_index() == 0:
        try:
            begun = begin_or_resume(resolved, folder, options, empty)
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
        if begun.checkpoints is not None:
            begun.checkpoints.close()  # before the lock is free: another run must not meet what this one still saves
        if begun.lock is not None:
            begun.lock.release()
    return folder


def _like_the_first(code: int) -> SweepStop:
    stop = SweepStop("process 0 stopped; its message says why")
    stop.code = code
    return stop
