"""Segments of an image: a regular grid, a given map, channels, or superpixels of scikit-image made for each image."""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Model, UsageError, WindowSweep, require, word_and_number
from cnnviz_plugins.explain.perturbation.part_options import SEGMENTERS, Numbering, Segmentation


@dataclass(frozen=True)
class Segments:
    """Which segment each pixel, or each value, of an image belongs to, numbered from 0."""

    word: str
    number: int
    count: int
    """Segments there are at most; a segment of no pixel changes nothing."""
    grid: tuple[int, ...] | None
    """Cells of a regular grid along each axis."""
    mask: Numbering | None
    """A given map."""
    extents: tuple[int, ...]
    """Height and width of the images; depth, height and width of volumes."""

    @classmethod
    def of(cls, option: Segmentation, model: Model) -> "Segments":
        """Return the segments that the option `segments` means for `model`'s images.

        Raises:
            UsageError: A given mask has another size than the images, or scikit-image is not installed.
        """
        (height, width, depth), extents = model.input_shape, model.structure.extents
        if not isinstance(option, str):
            given = _held(np.asarray(option), model)
            if given.shape not in ((height, width), (height, width, depth)):
                space = model.structure.space
                own, word = (model.input_shape, "images") if space is None else (space.shape, f"{space.words} here")
                sizes = [" x ".join(map(str, shape)) for shape in (given.shape, own)]
                raise UsageError(
                    f"segments is a mask of {sizes[0]}, {word} {'are' if space is None else 'is'} {sizes[1]}"
                )
            return cls("given", 0, int(given.max()) + 1, None, tuple(map(_nested, given.tolist())), extents)
        word, number = word_and_number(option, "segments", SEGMENTERS)
        size = int(number or 0)
        if word == "pixels":
            return cls(word, size, height * width, extents, None, extents)
        if word in ("channels", "elements"):
            return cls(word, size, depth if word == "channels" else height * width * depth, None, None, extents)
        if word == "grid":
            grid = tuple(min(size, extent) for extent in extents)
            return cls(word, size, prod(grid), grid, None, extents)
        if len(extents) > 2 and word != "slic":
            raise UsageError(
                f"segments={option!r} makes superpixels of images; slic(number) makes those of volumes too"
            )
        require("skimage", extra="segments", what=f"segments={option!r}, unlike segments='grid(8)',")
        # SLIC drops segments smaller than half the mean, so twice the number asked for is the most there can be.
        return cls(word, size, 2 * size if word == "slic" else size, None, None, extents)

    @property
    def are_of_values(self) -> bool:
        """Whether a pixel's channels may belong to different segments."""
        return self.word in ("channels", "elements") or (self.mask is not None and np.ndim(self.mask) == 3)

    def numbering(self, shape: tuple[int, ...]) -> Int[np.ndarray, "h w *c"] | None:
        """Return the segment of each pixel or value of images of a shape; `None` where each image has its own."""
        if self.mask is not None:
            return np.asarray(self.mask, np.int32)
        if self.word == "channels":
            return np.broadcast_to(np.arange(shape[2], dtype=np.int32), shape).copy()
        if self.word == "elements":
            return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
        if self.grid is None:
            return None
        along = [np.arange(n) * parts // n for n, parts in zip(self.extents, self.grid, strict=True)]
        numbers: np.ndarray = np.ravel_multi_index(np.meshgrid(*along, indexing="ij"), self.grid)
        return numbers.astype(np.int32).reshape(shape[:2])

    def is_of_single_values(self, shape: tuple[int, ...]) -> bool:
        """Whether no segment has more than one pixel, or one value where channels are apart."""
        numbers = self.numbering(shape)
        return numbers is not None and int(np.bincount(numbers.reshape(-1)).max()) == 1

    def __call__(self, image: Float[Array, "h w c"]) -> Int[Array, "h w *c"]:
        """Return the segment of each pixel or value; traceable, superpixels are made on the host."""
        numbers = self.numbering(image.shape)
        if numbers is not None:
            return jnp.asarray(numbers)
        size = image.shape[:2]
        shape = jax.ShapeDtypeStruct(size, jnp.int32)
        found = jax.pure_callback(self._superpixels, shape, image, vmap_method="sequential")
        return jnp.asarray(found, jnp.int32)

    def boxes(self) -> WindowSweep | None:
        """Return the parts of a regular grid as windows."""
        if self.grid is None:
            return None
        return WindowSweep(
            tuple(
                tuple((-(-i * n // parts), -(-(i + 1) * n // parts)) for i in range(parts))
                for n, parts in zip(self.extents, self.grid, strict=True)
            )
        )

    def low_res(self, per_segment: Float[Array, " count"]) -> Float[Array, "..."] | None:
        """Return the numbers as the grid they stand in, where there is one."""
        return None if self.grid is None else per_segment.reshape(self.grid)

    def _superpixels(self, image: Any) -> Int[np.ndarray, "h w"]:
        from skimage import segmentation

        held = np.shape(image)[:2]
        image = np.asarray(image, np.float64).reshape(*self.extents, -1)
        colour = image.shape[-1] == 3
        if self.word == "slic":
            found = segmentation.slic(
                image, n_segments=self.number, compactness=10.0, convert2lab=colour, start_label=0, channel_axis=-1
            )
        elif self.word == "quickshift":  # the parameters of LIME's image explainer
            found = segmentation.quickshift(
                image, kernel_size=4, max_dist=200, ratio=0.2, convert2lab=colour, rng=0, channel_axis=-1
            )
        else:
            found = segmentation.felzenszwalb(image, channel_axis=-1)
        # Numbered by size, largest first; if there are more than `count`, the smallest share the last.
        _, numbers, sizes = np.unique(found, return_inverse=True, return_counts=True)
        rank = np.empty(len(sizes), np.int32)
        rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
        return np.minimum(rank[numbers.reshape(held)], self.count - 1).astype(np.int32)


def _held(given: Int[np.ndarray, "..."], model: Model) -> Int[np.ndarray, "..."]:
    """Numbers of the user's own shape as the input is held: a vector of 4 as 1 x 4."""
    space = model.structure.space
    if space is not None and given.shape == space.spatial:
        return given.reshape(space.image[:2])
    return given.reshape(space.image) if space is not None and given.shape == space.shape else given


def _nested(rows: Any) -> Any:
    return tuple(map(_nested, rows)) if isinstance(rows, list) else rows
