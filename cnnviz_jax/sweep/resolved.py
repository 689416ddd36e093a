"""A sweep resolved against model, images and devices: ready to run, nothing run yet."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax

from cnnviz_jax.data.opening import open_source
from cnnviz_jax.data.source import Source
from cnnviz_jax.files import read_json
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.batch_planning import fit_device_batch
from cnnviz_jax.sweep.errors import SweepUsageError
from cnnviz_jax.sweep.identity import fingerprint, part_of
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.processes import gather
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.step import Step
from cnnviz_jax.sweep.work import Work


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a sweep is run; none of this changes a result."""

    resume: Literal["auto", "must", "never"] = "auto"
    """Whether to resume what lies in the folder."""
    restart: bool = False
    """Discard what lies in the folder and begin anew."""
    memory_budget: str = "0.6"
    """Per device: a share of what is free, or a size such as 8GiB."""
    workers: int = 0
    """Processes that decode images; 0 decodes in threads."""
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
class ResolvedSweep:
    """A sweep resolved against model, images and devices: ready to run, nothing run yet."""

    spec: SweepSpec
    work: Work
    source: Source
    count: int
    """Images of the data set, all shards."""
    device_batch: int
    """Images per device and step."""
    devices: tuple[Any, ...]
    memory_budget: str
    identity: dict[str, Any]

    @functools.cached_property
    def step(self) -> Step:
        """The compiled step; compiled when first asked for.

        Raises:
            OutOfMemoryError: It does not fit the budget.
        """
        return fit_device_batch(self.work, self.devices, self.device_batch, self.spec.inner_chunk, self.memory_budget)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides results."""
        return fingerprint(self.identity)

    def part(self, shard: tuple[int, int]) -> tuple[int, int]:
        """Return the first image of a shard and one past its last."""
        return part_of(self.count, self.device_batch, shard)


def resolve_sweep(
    spec: SweepSpec,
    model: Model,
    folder: RunFolder,
    options: RunOptions | None = None,
    devices: Sequence[Any] | None = None,
) -> ResolvedSweep:
    """Return the sweep ready to run: parts built, device batch chosen; compiled only where that takes a choice.

    Raises:
        SweepUsageError: Something in the specification does not exist or does not fit.
        OutOfMemoryError: No device batch fits the budget.
    """
    options = options or RunOptions()
    source = open_source(spec.source, model.input_shape, labels=spec.labels, crop_share=spec.crop_share)
    count = min(len(source), spec.limit or len(source))
    work = Work.plan(spec, model, source)
    identity = work.identity(spec, source, count)
    device_batch, chunk = spec.device_batch, spec.inner_chunk
    # Frozen with the run: another device batch is another program, and its last bits may differ.
    if device_batch == "auto" and folder.run.exists() and not options.restart:
        device_batch = read_json(folder.run)["identity"]["device_batch"]
    chosen = tuple(jax.devices()) if devices is None else tuple(devices)
    if device_batch == "auto":
        device_batch = fit_device_batch(work, chosen, device_batch, chunk, options.memory_budget).device_batch
        # The hosts' free memory differs a little; the least must do for all, as a step is one program on all devices.
        device_batch = min(int(row[0]) for row in gather([device_batch]))
    device_batch = int(device_batch)
    identity |= {"device_batch": device_batch, "inner_chunks": list(work.inner_chunks(device_batch, chunk))}
    return ResolvedSweep(spec, work, source, count, device_batch, chosen, options.memory_budget, identity)
