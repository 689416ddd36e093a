"""How much each unit's strongest places overlap each concept's masks, counted in pixels of the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Batch, Delta, Layer, LayerReducer, UsageError, grid_of

AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}
"""What the axes of masks are called, by their number."""


@dataclass(frozen=True, kw_only=True)
class Overlap(LayerReducer):
    """Per unit (channel) of one layer and concept, the pixels where both, and where each alone, is active.

    A unit is active where its map, bilinear between the centres of its receptive fields, exceeds the unit's
    threshold. Needs a field of masks (concepts, height, width); of series (concepts, steps), of volumes (concepts,
    depth, height, width). A unit's pixels count towards a concept's union
    in images that show any concept of the same category. Counts are exact and add in any order.

    Result of `finish`: `both` (c, concepts), `unit` (c, categories), `concept` (concepts,).
    """

    image: tuple[int, ...]
    """Height and width of the images and of the masks; the lengths of a series' or a volume's own axes."""
    centres: tuple[tuple[float, ...], ...]
    """Pixel coordinates of the middles of the units' fields along each axis, rising."""
    thresholds: tuple[float, ...]
    """Per unit; it is active at what is above."""
    masks: str = "concepts"
    """The field with the masks."""
    categories: tuple[int, ...]
    """Category of each concept, from 0 without gaps."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The masks."""
        return (self.masks,)

    @property
    def capacity(self) -> int:
        """As many images as keep a count of pixels below 2**31."""
        return (2**31 - 1) // prod(self.image)

    def init(self) -> Delta:
        """Return zero counts."""
        units, concepts = self.shape[-1], len(self.categories)
        return {
            "both": jnp.zeros((units, concepts), jnp.int32),
            "unit": jnp.zeros((units, max(self.categories) + 1), jnp.int32),
            "concept": jnp.zeros((concepts,), jnp.int32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added.

        Raises:
            UsageError: The masks have another size or number.
        """
        masks = batch.fields[self.masks]
        if masks.shape[1:] != (len(self.categories), *self.image):
            raise UsageError(
                f"masks of {len(self.categories)} concepts have shape (n, concepts, {AXES[len(self.image)]}) = "
                f"(n, {len(self.categories)}, {', '.join(map(str, self.image))}), got {masks.shape}"
            )
        count, axes = len(batch.valid), tuple(range(2, masks.ndim))
        valid = batch.valid.reshape(count, *(1,) * (masks.ndim - 1))
        shown = masks.astype(bool) & valid
        active = unit_masks(batch.values[self.layer], self.centres, self.image, self.thresholds) & valid
        # Sums of ones in float32 are exact below 2**24 pixels, and a product of matrices adds them fastest.
        ones = active.reshape(count, -1, self.shape[-1]).astype(jnp.float32)
        there = shown.reshape(count, len(self.categories), -1).astype(jnp.float32)
        both = jnp.einsum("bkp,bpc->bck", there, ones).astype(jnp.int32)
        per_image = ones.sum(1).astype(jnp.int32)  # b c
        member = jnp.asarray(np.eye(max(self.categories) + 1, dtype=bool)[list(self.categories)])  # concepts categories
        told = (shown.any(axes)[:, :, None] & member).any(1)  # b categories
        unit = (per_image[:, :, None] * told[:, None, :].astype(jnp.int32)).sum(0, dtype=jnp.int32)
        return {
            "both": delta["both"] + both.sum(0, dtype=jnp.int32),
            "unit": delta["unit"] + unit,
            "concept": delta["concept"] + shown.sum((0, *axes), dtype=jnp.int32),
        }


def unit_masks(
    maps: Float[Array, "b *units c"],
    centres: tuple[tuple[float, ...], ...],
    image: tuple[int, ...],
    thresholds: Sequence[float],
) -> Bool[Array, "b *image c"]:
    """Return where each unit's map, brought to the image's size, exceeds its threshold; traceable."""
    full = maps.astype(jnp.float32).reshape(len(maps), *map(len, centres), maps.shape[-1])
    for axis in reversed(range(len(image))):
        weights = jnp.asarray(between(centres[axis], image[axis]))
        full = jnp.moveaxis(jnp.tensordot(weights, full, (1, axis + 1), precision="highest"), 0, axis + 1)
    return full > jnp.asarray(thresholds, jnp.float32)


def between(centres: Sequence[float], size: int) -> Float[np.ndarray, "size units"]:
    """Return the weights of each unit at each pixel: linear between centres, the outermost unit's beyond."""
    eye = np.eye(len(centres))
    weights = [np.interp(np.arange(size), centres, unit) for unit in eye]
    return np.stack(weights, 1).astype(np.float32)


def centres_of(layer: Layer, image: tuple[int, ...], space: Any = None) -> tuple[tuple[float, ...], ...]:
    """Return the middles of the units' fields along each axis of the image, or of a series or volume of that `space`.

    They are evenly spread where they do not rise, as behind a global operation.
    """
    found = []
    field, grid = layer.receptive_field, grid_of(layer, space)
    for axis, (units, size) in enumerate(zip(grid, image, strict=True)):
        middles = [i * size / units + (size / units - 1) / 2 for i in range(units)]
        if field is not None and field.shape[axis - len(image)] == units:
            # A series' field has two axes, of which the first is the one row that it is held as.
            before = (0,) * (len(field.shape) - len(image) + axis)
            exact = [float(field.centre(*before, i)[len(before)]) for i in range(units)]
            middles = exact if all(a < b for a, b in pairwise(exact)) else middles
        found.append(tuple(middles))
    return tuple(found)
