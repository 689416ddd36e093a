"""A sweep resolved against model, images and devices: ready to run, nothing run yet."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from cnnviz_jax.data.folder import with_class_names
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.data.source import Source
from cnnviz_jax.model.model import Model
from cnnviz_jax.sweep.batch_planning import fit_device_batch
from cnnviz_jax.sweep.identity import fingerprint, part_of
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.processes import gather
from cnnviz_jax.sweep.run_file import is_run, read_run
from cnnviz_jax.sweep.run_options import RunOptions
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.step import Step
from cnnviz_jax.sweep.work import Work


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


def source_of(spec: SweepSpec, input_shape: tuple[int, int, int], class_names: Sequence[str] = ()) -> Source:
    """Return the images that a specification names, as a model with inputs of that shape and such classes takes them.

    Raises:
        UsageError: There is no such source, or its images do not fit the model.
    """
    source = open_source(spec.source, input_shape, labels=spec.labels, crop_share=spec.crop_share, digest=spec.digest)
    return with_class_names(source, class_names)


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
    source = source_of(spec, model.input_shape, model.labels or ())
    count = min(len(source), spec.limit or len(source))
    work = Work.plan(spec, model, source)
    identity = work.identity(spec, source, count)
    device_batch, chunk = spec.device_batch, spec.inner_chunk
    # Frozen with the run: another device batch is another program, and its last bits may differ.
    if device_batch == "auto" and is_run(folder) and not options.restart:
        device_batch = read_run(folder)["identity"]["device_batch"]
    chosen = tuple(jax.devices()) if devices is None else tuple(devices)
    if device_batch == "auto":
        device_batch = fit_device_batch(work, chosen, device_batch, chunk, options.memory_budget).device_batch
        # The hosts' free memory differs a little; the least must do for all, as a step is one program on all devices.
        device_batch = min(int(row[0]) for row in gather([device_batch]))
    device_batch = int(device_batch)
    identity |= {"device_batch": device_batch, "inner_chunks": list(work.inner_chunks(device_batch, chunk))}
    return ResolvedSweep(spec, work, source, count, device_batch, chosen, options.memory_budget, identity)
