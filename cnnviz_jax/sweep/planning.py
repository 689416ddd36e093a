"""What a sweep will cost before it runs: time, storage and checkpoints, and which of them limits first."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from cnnviz_jax.engine import root_key
from cnnviz_jax.sweep.feed import Extent, batches
from cnnviz_jax.sweep.resolved import ResolvedSweep
from cnnviz_jax.sweep.step import empty_deltas

DEVICES_PER_HOST = 8
WRITE_BYTES_PER_S = 330e6
"""Measured: zstd level 1 with crc32c to a local disk, one host."""
SECONDS_PER_FILE = 1e-3
"""Measured: the cost of one more file on a local disk."""
CHECKPOINT_BYTES_PER_S = 60e6
"""Measured: Orbax on a state of 9 MB, in the background."""
CHECKPOINT_BLOCKS_S = 0.03
"""Measured: how long the devices wait for a checkpoint's start, and for the merge before it."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one sweep needs per image and per checkpoint."""

    seconds_per_image: float | None
    """One device's time for one image; `None` where it was not measured."""
    load_seconds_per_image: float | None
    """One host's time to read and decode one image."""
    bytes_per_image: int
    """Stored per image, not compressed."""
    files_per_image: float
    checkpoint_bytes: int
    """Totals of all reducers."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What so many images cost on so many devices."""

    images: int
    devices: int
    compute_s: float | None
    load_s: float | None
    store_s: float
    checkpoint_s: float
    storage_bytes: int
    files: int
    checkpoints: int

    @property
    def total_s(self) -> float:
        """The slowest of computing, loading and storing, which overlap, and the waits for checkpoints."""
        return max(self.compute_s or 0.0, self.load_s or 0.0, self.store_s) + self.checkpoint_s

    @property
    def limit(self) -> str:
        """What takes longest."""
        terms = {"computing": self.compute_s or 0.0, "loading": self.load_s or 0.0, "storing": self.store_s}
        return max(terms, key=lambda name: terms[name])


def costs_of(
    resolved: ResolvedSweep, *, seconds_per_image: float | None, load_seconds_per_image: float | None
) -> Costs:
    """Return the costs of a resolved sweep: sizes as they are, times as measured elsewhere."""
    specs = resolved.step.arrays.values()
    totals = [reducer.empty() for reducer in resolved.work.reducers.values()]
    return Costs(
        seconds_per_image=seconds_per_image,
        load_seconds_per_image=load_seconds_per_image,
        bytes_per_image=sum(spec.row_bytes for spec in specs),
        files_per_image=sum(1 / spec.chunk_rows(resolved.step.device_batch) for spec in specs),
        checkpoint_bytes=sum(leaf.nbytes for total in totals for leaf in total.values()),
    )


def estimate(costs: Costs, images: int, devices: int, *, checkpoint_every_s: float = 120.0) -> Estimate:
    """Return what so many images cost; hosts have eight devices and share the loading and storing evenly."""
    hosts = -(-devices // DEVICES_PER_HOST)

    def over(seconds: float | None, by: int) -> float | None:
        return None if seconds is None else images * seconds / by

    compute_s, load_s = over(costs.seconds_per_image, devices), over(costs.load_seconds_per_image, hosts)
    files = int(np.ceil(images * costs.files_per_image))
    store_s = (images * costs.bytes_per_image / WRITE_BYTES_PER_S + files * SECONDS_PER_FILE) / hosts
    working_s = max(compute_s or 0.0, load_s or 0.0, store_s)
    checkpoints = 1 + int(working_s // checkpoint_every_s)
    # Feeding, computing and storing overlap, so the slowest decides; only what stops the devices is added to it.
    # Deltas of all devices are merged on one host; writing overlaps with computing unless it lasts too long.
    merge_s = CHECKPOINT_BLOCKS_S + devices * costs.checkpoint_bytes / 1e9
    writing_s = max(0.0, costs.checkpoint_bytes / CHECKPOINT_BYTES_PER_S - checkpoint_every_s)
    return Estimate(
        images=images,
        devices=devices,
        compute_s=compute_s,
        load_s=load_s,
        store_s=store_s,
        checkpoint_s=checkpoints * (merge_s + writing_s),
        storage_bytes=images * costs.bytes_per_image,
        files=files,
        checkpoints=checkpoints,
    )


def measure(resolved: ResolvedSweep, *, repeats: int = 3) -> tuple[float, float]:
    """Return seconds per image of one device, and of loading on this host; runs a few steps, writes nothing."""
    step, work = resolved.step, resolved.work
    extent = Extent(
        first=0,
        stop=resolved.count,
        device_batch=step.device_batch,
        devices=step.mesh.size,
        places=tuple(range(step.mesh.size)),
    )
    fields = tuple(work.fields)
    local = next(iter(batches(resolved.source, extent, work.model.input_shape, fields)))
    model = jax.device_put(work.model, step.replicated)
    seed = jax.device_put(np.asarray(jax.random.key_data(root_key(resolved.spec.seed))), step.replicated)
    inputs = jax.device_put(local, step.sharded)
    # Deltas are used up by a step, so each gets its own; the first call also loads the program and is left out.
    times = []
    for _ in range(repeats + 1):
        deltas = jax.device_put(empty_deltas(work, step.mesh.size), step.sharded)
        begun_s = time.perf_counter()
        jax.block_until_ready(step.run(model, deltas, inputs, seed))
        times.append(time.perf_counter() - begun_s)
    begun_s, loaded = time.perf_counter(), min(resolved.count, 32)
    for index in range(loaded):
        resolved.source[index]
    return min(times[1:]) / step.device_batch, (time.perf_counter() - begun_s) / loaded


def free_bytes(path: Path) -> int:
    """Return the free space where a folder lies or would lie."""
    while not path.exists():
        path = path.absolute().parent
    return shutil.disk_usage(path).free
