"""What a fold will take before it is run: chunk and memory from the compiled program, time from a few chunks of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from cnnviz_jax.engine.fold_run import FoldRun

_TIMED = 2


@dataclass(frozen=True)
class Preview:
    """The plan of one fold over some images."""

    chunk: int
    """Evaluations at once."""
    need_bytes: int
    """Predicted peak memory of a chunk, parameters included."""
    chunk_s: float
    """Seconds of one chunk: the quickest of a few that were run."""
    expected_s: float
    """Seconds of all evaluations of all images, compilation left out; chunks of other groups than the first, which is
    timed, by what the fold predicts of them."""


def preview(run: FoldRun) -> Preview:
    """Return what a planned run would take; a first chunk is run to warm up, then some are timed.

    Cost: three chunks of evaluations.
    """
    begin_s, chunk_s = map(_quickest, run.once())
    batches = -(-run.count // run.batch)
    chunks = sum(run.chunk_costs()) if run.fold.evaluations > 1 else 1
    return Preview(run.chunk, run.step.need_bytes, chunk_s, batches * (begin_s + chunks * chunk_s))


def _quickest(work: Callable[[], Any]) -> float:
    jax.block_until_ready(work())
    times = []  # the least of them: other work on the machine only ever adds
    for _ in range(_TIMED):
        begun = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - begun)
    return min(times)
