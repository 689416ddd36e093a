"""Which positions of which image become rows: drawn by the image's number, so batches and devices do not matter."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8, UInt32

from cnnviz_jax.compiling import compiled
from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.data.given import in_unit_range
from cnnviz_jax.data.source import Example, image_dtype
from cnnviz_jax.engine.chunk_planning import Chunk, fitting
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is sampled of each image."""

    layer: str
    shape: tuple[int, ...]
    """The layer's value for one image: (h, w, c) or (c,)."""
    positions: int = 4
    """Positions of an image, without repetition; all where there are fewer."""
    margin: int = 1
    """Positions at each border that are left out, where padding makes features of its own; fewer on a small map."""

    def __post_init__(self) -> None:
        if self.positions < 1 or self.margin < 0:
            raise UsageError(f"positions is 1 or more and margin 0 or more, got {self.positions} and {self.margin}")

    @property
    def places(self) -> Int[np.ndarray, "places axes"]:
        """Where each position is that may be drawn, such as row and column; 0, 0 in a layer without a map."""
        if len(self.shape) == 1:
            return np.zeros((1, 2), np.int64)
        ranges = []
        for length in self.shape[:-1]:
            # A map of 4 with a margin of 2 would have no place left: there, 1 goes at each border and 2 places stay.
            cut = min(self.margin, (length - 1) // 2)
            ranges.append(np.arange(cut, length - cut))
        return np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, len(ranges))

    @property
    def numbers(self) -> Int[np.ndarray, " places"]:
        """Number of each of these positions among all of the layer, the last axis first."""
        if len(self.shape) == 1:
            return np.zeros(1, np.int64)
        return np.ravel_multi_index(tuple(self.places.T), self.shape[:-1])

    @property
    def each(self) -> int:
        """Rows of an image."""
        return min(self.positions, len(self.places))

    @property
    def channels(self) -> int:
        """Numbers of a row."""
        return self.shape[-1]


@dataclass(frozen=True)
class Rows:
    """Some rows, those of a batch of images."""

    values: Float[np.ndarray, "n c"]
    index: Int[np.ndarray, "n axes"]
    """Number of the image, and where the position is: row and column in a map."""
    dropped: int
    """Rows left out because they held values that are not finite."""
    unreadable: dict[int, str]


def sampled(
    sampling: Sampling,
    model: Model,
    dataset: Dataset,
    key: Key[Array, ""],
    images: range | None = None,
    *,
    batch: Chunk = "auto",
    memory_budget: int | None = None,
) -> Iterator[Rows]:
    """Yield the rows of images in order of their number, a batch at a time; of all images where none are named.

    Cost: one forward pass per image, up to the layer.
    Randomness: positions from `fold_in(key, number of the image)`.
    """

    def compile_for(size: int) -> Any:
        shapes = (
            jax.ShapeDtypeStruct((size, *model.input_shape), dataset.image_dtype),
            jax.ShapeDtypeStruct((size,), np.uint32),
        )
        return compiled(partial(_drawn, sampling), ("sampled", sampling), (model, *shapes, key))

    size, program = fitting(compile_for, batch, len(dataset), memory_budget)
    images = images or range(len(dataset))
    for part in Dataset(source=_Stretch(dataset.source, images)).batches(size, model.input_shape):
        # A stretch counts its images from 0, but places are drawn by the number in the whole data set: with the
        # stretch's own numbers every shard would draw those of the first.
        ids = (part.ids + np.uint32(images.start)).astype(np.uint32)
        values, places = (np.asarray(each) for each in program(model, part.images, ids, key))
        usable = part.valid[:, None] & np.isfinite(values).all(2)
        numbers = np.broadcast_to(ids.astype(np.int64)[:, None], usable.shape)
        index = np.concatenate([numbers[usable][:, None], sampling.places[places[usable]]], 1)
        dropped = int((part.valid[:, None] & ~usable).sum())
        yield Rows(values[usable], index.astype(np.int32), dropped, part.unreadable)


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Neighbouring images of a source as a source."""

    source: Any
    images: range

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        return {}

    @property
    def image_dtype(self) -> str:
        return image_dtype(self.source)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        found = self.source[self.images[index]]
        return Example(image=found.image, error=found.error)

    def digest(self) -> str:
        return f"{self.images} of {self.source.digest()}"

    def name(self, index: int) -> str:
        return str(self.source.name(self.images[index]))


def _drawn(
    sampling: Sampling,
    model: Model,
    images: Float[Array, "b h w ch"] | UInt8[Array, "b h w ch"],
    ids: UInt32[Array, " b"],
    key: Key[Array, ""],
) -> tuple[Float[Array, "b s c"], Int[Array, "b s"]]:
    flat = jnp.asarray(sampling.numbers, jnp.int32)

    def one(image: Array, number: Array) -> tuple[Array, Array]:
        value = model.run(image, read=(sampling.layer,), need_outputs=False)[1][sampling.layer]
        rows = value.reshape(-1, value.shape[-1]).astype(jnp.float32)
        chosen = jax.random.permutation(jax.random.fold_in(key, number), len(flat))[: sampling.each]
        return rows[flat[chosen]], chosen.astype(jnp.int32)

    return jax.vmap(one)(in_unit_range(images), ids)
