"""Where occlusion windows stand, and how one number per window becomes a map of the image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import WindowError, WindowSweep


class OccludingGrid:
    """A grid of places that occlude part of an image or a volume, and its numbers spread over what they occlude."""

    def enlarged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return the grid read linearly along each axis between centres; the outermost values reach the border."""
        return self._spread(grid, interpolation)

    def summed(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the sum over the places that occlude it."""
        return self._spread(grid, coverage)

    def averaged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the mean over the places that occlude it; 0 where none does."""
        return self.summed(grid) / jnp.maximum(self.summed(jnp.ones_like(grid)), 1)

    def _spread(self, grid: Float[Array, "rows cols"], along: Callable[..., np.ndarray]) -> Float[Array, "h w"]:
        """Return the grid multiplied along each axis by what `along(extent, count, step, side)` gives."""
        raise TypeError(f"{type(self).__name__} defines no _spread")


@dataclass(frozen=True)
class Windows(OccludingGrid):
    """A grid of equal windows; window number i stands at row i // cols, column i % cols of the grid."""

    height: int
    width: int
    rows: int
    cols: int
    step: tuple[int, int]
    image: tuple[int, int]

    @classmethod
    def over(
        cls,
        image: tuple[int, int],
        window: int | tuple[int, ...] | None,
        stride: int | tuple[int, ...] | None,
        edge: str,
    ) -> "Windows":
        """Return the grid for an image of height and width `image`.

        Raises:
            WindowError: The window is larger than the image.
        """
        size, step, counts = laid_along(image, window, stride, edge)
        return cls(size[0], size[1], counts[0], counts[1], (step[0], step[1]), image)

    @classmethod
    def over_series(
        cls, length: int, window: int | tuple[int, ...] | None, stride: int | tuple[int, ...] | None, edge: str
    ) -> "Windows":
        """Return the grid for a series or a vector, held as an image of one row.

        Raises:
            WindowError: The window is longer than the series, or has more than one side.
        """
        size, step, counts = laid_along((length,), window, stride, edge)
        return cls(1, size[0], 1, counts[0], (1, step[0]), (1, length))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a window."""
        return self.height, self.width

    @property
    def counts(self) -> tuple[int, int]:
        """Windows along rows and columns."""
        return self.rows, self.cols

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.rows * self.cols

    @property
    def sweep(self) -> WindowSweep:
        """The same windows, for models that are run on windows alone."""
        rows, cols = (
            tuple((number * step, min(number * step + side, end)) for number in range(count))
            for count, step, side, end in zip(
                (self.rows, self.cols), self.step, (self.height, self.width), self.image, strict=True
            )
        )
        return WindowSweep(rows, cols)

    def mask(self, index: Int[Array, ""]) -> Bool[Array, "h w 1"]:
        """Return which pixels window `index` occludes."""
        return self.sweep.mask(self.image, index // self.cols, index % self.cols)

    def _spread(self, grid: Float[Array, "rows cols"], along: Callable[..., np.ndarray]) -> Float[Array, "h w"]:
        rows = along(self.image[0], self.rows, self.step[0], self.height)
        cols = along(self.image[1], self.cols, self.step[1], self.width)
        return jnp.asarray(rows) @ grid @ jnp.asarray(cols).T


def laid_along(
    extents: tuple[int, ...], window: Any, stride: Any, edge: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return sides, steps and numbers of windows along each axis.

    Args:
        extents: Length of the input along each axis.
        window: A side, or one for each axis; a seventh of the shortest axis where it is `None`.
        stride: A step, or one for each axis; a quarter of the window where it is `None`.
        edge: `full` for whole windows only, `truncate` for one more at the border, cut off there.

    Raises:
        WindowError: The window is larger than the input, or has another number of sides.
    """
    kind = {1: "a series", 2: "an image", 3: "a volume"}[len(extents)]
    unit = {1: "steps", 2: "pixels", 3: "voxels"}[len(extents)]
    size = _each(window if window is not None else max(1, min(extents) // 7), extents, "window")
    step = _each(stride, extents, "stride") if stride is not None else tuple(max(1, side // 4) for side in size)
    if any(side > extent for side, extent in zip(size, extents, strict=True)):
        raise WindowError(f"a window of {_times(size)} {unit} does not fit {kind} of {_times(extents)}")
    # The last window of `truncate` is cut off at the border, so that a rest counts as a whole step.
    counts = tuple(
        (extent - side + (by - 1 if edge == "truncate" else 0)) // by + 1
        for extent, side, by in zip(extents, size, step, strict=True)
    )
    return size, step, counts


def _each(value: Any, extents: tuple[int, ...], option: str) -> tuple[int, ...]:
    sides = (value,) if isinstance(value, int) else tuple(value)
    if len(sides) not in (1, len(extents)):
        raise WindowError(f"{option} is one number, or one for each of {len(extents)} axes; got {value!r}")
    return sides * len(extents) if len(sides) == 1 else sides


def _times(sides: tuple[int, ...]) -> str:
    return " x ".join(map(str, sides))


def coverage(size: int, count: int, step: int, width: int) -> Float[np.ndarray, "size count"]:
    """Return 1 where an entry of an axis lies in a window."""
    first = np.arange(count) * step
    pixel = np.arange(size)[:, None]
    return ((pixel >= first) & (pixel < first + width)).astype(np.float32)


def interpolation(size: int, count: int, step: int, width: int) -> Float[np.ndarray, "size count"]:
    """Return the weights of linear interpolation between the windows' centres."""
    at = np.clip((np.arange(size) - (width - 1) / 2) / step, 0, count - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count))).astype(np.float32)
