"""What a fold will take before it is run: chunk and memory from the compiled program, time from a few chunks of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.engine.chunk_planning import Chunk
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.engine.fold_run import FoldRun

if TYPE_CHECKING:
    from cnnviz_jax.model.model import Model
    from cnnviz_jax.targets import Target

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
    """Seconds of all evaluations of all images, compilation left out."""


def preview(
    fold: Fold,
    model: "Model",
    images: Float[Array | np.ndarray, "n h w c"],
    target: "Target",
    keys: Key[Array, " n"],
    *,
    chunk: Chunk = "auto",
    memory_budget: int | None = None,
) -> Preview:
    """Return what `run_fold` would take with the same arguments; a first chunk is run to warm up, then some are timed.

    Raises:
        MemoryBudgetError: Not even one evaluation at a time fits.

    Cost: compiling the fold, and three chunks of evaluations.
    """
    run = FoldRun(fold, model, jnp.asarray(images), target, keys, chunk, memory_budget)
    once = run.once()
    begin_s, chunk_s = _quickest(once.begin), _quickest(once.chunk)
    batches = -(-len(images) // run.batch)
    chunks = sum(1 for _ in run.chunks(0)) if fold.evaluations > 1 else 1
    return Preview(run.chunk, run.step.need_bytes, chunk_s, batches * (begin_s + chunks * chunk_s))


def _quickest(work: Callable[[], Any]) -> float:
    jax.block_until_ready(work())
    times = []
    for _ in range(_TIMED):
        begun = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - begun)
    return min(times)
