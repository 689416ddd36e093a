"""Where occlusion windows stand, and how one number per window becomes a map of the image."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import WindowError, WindowSweep
from cnnviz_plugins.explain.perturbation.spreading import along_axes


@dataclass(frozen=True)
class Windows:
    """A grid of equal windows, or of boxes in a volume; window i stands where `i` unravels to, the last axis fastest.

    A grid of numbers has `counts` along its axes; maps are held as images are, those of a volume slice below slice.
    """

    size: tuple[int, ...]
    """Sides of a window along each axis."""
    counts: tuple[int, ...]
    """Windows along each axis."""
    step: tuple[int, ...]
    extents: tuple[int, ...]
    """Lengths of the input's axes."""

    @classmethod
    def over(
        cls,
        extents: tuple[int, ...],
        window: int | tuple[int, ...] | None,
        stride: int | tuple[int, ...] | None,
        edge: str,
    ) -> "Windows":
        """Return the grid for images of height and width `extents`, or volumes of depth, height and width.

        Raises:
            WindowError: The window is larger than the input, or has another number of sides.
        """
        size, step, counts = laid_along(extents, window, stride, edge)
        return cls(size, counts, step, extents)

    @classmethod
    def over_series(
        cls, length: int, window: int | tuple[int, ...] | None, stride: int | tuple[int, ...] | None, edge: str
    ) -> "Windows":
        """Return the grid for a series or a vector, held as an image of one row.

        Raises:
            WindowError: The window is longer than the series, or has more than one side.
        """
        size, step, counts = laid_along((length,), window, stride, edge)
        return cls((1, *size), (1, *counts), (1, *step), (1, length))

    @property
    def count(self) -> int:
        """Number of windows."""
        return prod(self.counts)

    @property
    def sweep(self) -> WindowSweep:
        """The same windows, for models that are run on windows alone."""
        return WindowSweep(
            tuple(
                tuple((number * step, min(number * step + side, end)) for number in range(count))
                for count, step, side, end in zip(self.counts, self.step, self.size, self.extents, strict=True)
            )
        )

    def mask(self, index: Int[Array, ""]) -> Bool[Array, "h w 1"]:
        """Return which pixels window `index` occludes."""
        sweep = self.sweep
        return sweep.mask(self.extents, sweep.place(index))

    def enlarged(self, grid: Float[Array, "..."]) -> Float[Array, "h w"]:
        """Return the grid read linearly along each axis between centres; the outermost values reach the border."""
        return self._spread(grid, interpolation)

    def summed(self, grid: Float[Array, "..."]) -> Float[Array, "h w"]:
        """Return, for each pixel, the sum over the windows that occlude it."""
        return self._spread(grid, coverage)

    def averaged(self, grid: Float[Array, "..."]) -> Float[Array, "h w"]:
        """Return, for each pixel, the mean over the windows that occlude it; 0 where none does."""
        return self.summed(grid) / jnp.maximum(self.summed(jnp.ones_like(grid)), 1)

    def _spread(self, grid: Float[Array, "..."], along: Callable[..., np.ndarray]) -> Float[Array, "h w"]:
        """Return the grid multiplied along each axis by what `along(extent, count, step, side)` gives."""
        laid = zip(self.extents, self.counts, self.step, self.size, strict=True)
        whole = along_axes(grid, [jnp.asarray(along(*each)) for each in laid])
        return whole.reshape(-1, self.extents[-1])


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
