"""Segments of an image: a regular grid, a given mask, or superpixels of scikit-image made for each image."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Model, UsageError, WindowSweep, require, word_and_number
from cnnviz_plugins.explain.perturbation.plugin import SEGMENTERS, Segmentation


@dataclass(frozen=True)
class Segments:
    """Which segment each pixel of an image belongs to, numbered from 0."""

    word: str
    number: int
    count: int
    """Segments there are at most; a segment of no pixel changes nothing."""
    grid: tuple[int, int] | None
    """Rows and columns of a regular grid."""
    mask: tuple[tuple[int, ...], ...] | None
    """A given mask."""

    @classmethod
    def of(cls, option: Segmentation, model: Model) -> "Segments":
        """Return the segments that the option `segments` means for `model`'s images.

        Raises:
            UsageError: A given mask has another size than the images, or scikit-image is not installed.
        """
        height, width, _ = model.input_shape
        if not isinstance(option, str):
            shape = (len(option), len(option[0]))
            if shape != (height, width):
                raise UsageError(f"segments is a mask of {shape[0]} x {shape[1]}, images are {height} x {width}")
            return cls("given", 0, max(map(max, option)) + 1, None, option)
        word, number = word_and_number(option, "segments", SEGMENTERS)
        size = int(number or 0)
        if word == "grid":
            grid = (min(size, height), min(size, width))
            return cls(word, size, grid[0] * grid[1], grid, None)
        require("skimage", extra="segments", what=f"segments={option!r}, unlike segments='grid(8)',")
        # SLIC drops segments smaller than half the mean, so twice the number asked for is the most there can be.
        return cls(word, size, 2 * size if word == "slic" else size, None, None)

    def __call__(self, image: Float[Array, "h w c"]) -> Int[Array, "h w"]:
        """Return the segment of each pixel; traceable, superpixels are made on the host."""
        size = image.shape[:2]
        if self.mask is not None:
            return jnp.asarray(self.mask, jnp.int32)
        if self.grid is not None:
            rows, cols = (jnp.arange(n) * parts // n for n, parts in zip(size, self.grid, strict=True))
            return (rows[:, None] * self.grid[1] + cols[None, :]).astype(jnp.int32)
        shape = jax.ShapeDtypeStruct(size, jnp.int32)
        found = jax.pure_callback(self._superpixels, shape, image, vmap_method="sequential")
        return jnp.asarray(found, jnp.int32)

    def boxes(self, size: tuple[int, ...]) -> WindowSweep | None:
        """Return the parts of a regular grid as windows of an image of height and width `size`."""
        if self.grid is None:
            return None
        rows, cols = (
            tuple((-(-i * n // parts), -(-(i + 1) * n // parts)) for i in range(parts))
            for n, parts in zip(size, self.grid, strict=True)
        )
        return WindowSweep(rows, cols)

    def low_res(self, per_segment: Float[Array, " count"]) -> Float[Array, "rows cols"] | None:
        """Return the numbers as the grid they stand in, where there is one."""
        return None if self.grid is None else per_segment.reshape(self.grid)

    def _superpixels(self, image: Any) -> Int[np.ndarray, "h w"]:
        from skimage import segmentation

        image = np.asarray(image, np.float64)
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
        return np.minimum(rank[numbers.reshape(found.shape)], self.count - 1).astype(np.int32)
