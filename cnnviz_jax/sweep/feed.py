"""Images to the devices: the rows of every step that belong to this process, loaded ahead by Grain.

What a step holds depends on the number of the step alone, so there is no state to save: a feed begins anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np

from cnnviz_jax.data.source import Source, image_dtype
from cnnviz_jax.extras import require


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Which images a run covers, and how steps cut them up."""

    first: int
    """The first image; a multiple of `device_batch`."""
    stop: int
    """One past the last image."""
    device_batch: int
    devices: int
    """Devices over all processes."""
    places: tuple[int, ...]
    """Places of this process's devices in the mesh."""

    @property
    def rows(self) -> int:
        """Images per step over all devices."""
        return self.device_batch * self.devices

    @property
    def steps(self) -> int:
        """How many steps there are; the same on every process."""
        return -(-(self.stop - self.first) // self.rows)

    def next_index(self, step: int) -> int:
        """Return the first image that is not done after so many steps."""
        return min(self.first + step * self.rows, self.stop)


class _Rows:
    """The rows of all steps of one process, one after another, as Grain reads them."""

    def __init__(self, source: Source, extent: Extent, image_shape: tuple[int, ...]) -> None:
        self._source, self._extent, self._shape = source, extent, image_shape

    def __len__(self) -> int:
        return self._extent.steps * self._extent.device_batch * len(self._extent.places)

    def __getitem__(self, position: SupportsIndex) -> dict[str, Any]:
        # Step s, device d, row r is image first + (s * devices + d) * device_batch + r: which images share a device
        # batch depends on its size alone. With 4 images in it, images 8 to 11 are one on 1 device (step 2), on 2
        # (step 1, device 0) and on 8 (step 0, device 2), always in a program of the same shape: so are their bits.
        own = self._extent.device_batch * len(self._extent.places)
        step, row = divmod(int(position), own)
        place, offset = divmod(row, self._extent.device_batch)
        index = (
            self._extent.first
            + step * self._extent.rows
            + self._extent.places[place] * self._extent.device_batch
            + offset
        )
        inside = index < self._extent.stop
        example = self._source[index] if inside else None
        image = example.image if example is not None else None
        fields = {
            name: np.asarray(example.fields[name] if example is not None else np.zeros(shape), kind)
            for name, (shape, kind) in self._source.fields.items()
        }
        return {
            # Zeros for what is missing: the shape never changes, and `readable` keeps them out of every result.
            "image": np.zeros(self._shape, image_dtype(self._source)) if image is None else image,
            "id": np.uint32(index),
            "inside": np.bool_(inside),
            "readable": np.bool_(image is not None),
            "fields": fields,
        }


def batches(
    source: Source, extent: Extent, image_shape: tuple[int, ...], fields: tuple[str, ...], *, workers: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield this process's rows of every step, in order, as NumPy arrays.

    Args:
        source: The images.
        extent: Which of them, and how they are cut up.
        image_shape: Height, width, channels.
        fields: Fields of the source that are wanted.
        workers: Processes that decode; 0 decodes in threads. The order is the same for any number.
    """
    if extent.steps == 0:
        return
    grain = require("grain.python")
    own = extent.device_batch * len(extent.places)
    # Batched before it is spread over workers: the other way round, the workers' number changes the batches.
    dataset = grain.MapDataset.source(_Rows(source, extent, image_shape)).batch(own, drop_remainder=False)
    threads = max(1, min(4, os.cpu_count() or 1))
    stream = dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads))
    # Threads read files while other threads decode: Pillow and zlib let go of the interpreter's lock. Processes pay
    # where a source computes in Python.
    if workers:
        from absl import flags

        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # grain's workers read absl's flags, which a program without absl never parses
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))
    for batch in stream:
        yield {**batch, "fields": {name: batch["fields"][name] for name in fields}}
