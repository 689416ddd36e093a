"""Where occlusion windows stand, and how one number per window becomes a map of the image."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import WindowError, WindowSweep


@dataclass(frozen=True)
class Windows:
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
        size = _pair(window if window is not None else max(1, min(image) // 7))
        step = _pair(stride) if stride is not None else (max(1, size[0] // 4), max(1, size[1] // 4))
        if size[0] > image[0] or size[1] > image[1]:
            raise WindowError(
                f"a window of {size[0]} x {size[1]} pixels does not fit an image of {image[0]} x {image[1]}"
            )
        # The last window of `truncate` is cut off at the border, so that a rest counts as a whole step.
        rest = (step[0] - 1, step[1] - 1) if edge == "truncate" else (0, 0)
        rows, cols = ((image[axis] - size[axis] + rest[axis]) // step[axis] + 1 for axis in (0, 1))
        return cls(*size, rows, cols, step, image)

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

    def enlarged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return the grid read bilinearly between the windows' centres; the outermost values reach the border."""
        return self._spread(grid, _interpolation)

    def summed(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the sum over the windows that occlude it."""
        return self._spread(grid, _coverage)

    def averaged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the mean over the windows that occlude it; 0 where none does."""
        return self.summed(grid) / jnp.maximum(self.summed(jnp.ones_like(grid)), 1)

    def _spread(self, grid: Float[Array, "rows cols"], along: Callable[..., np.ndarray]) -> Float[Array, "h w"]:
        rows = along(self.image[0], self.rows, self.step[0], self.height)
        cols = along(self.image[1], self.cols, self.step[1], self.width)
        return jnp.asarray(rows) @ grid @ jnp.asarray(cols).T


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    pair = (value,) * 2 if isinstance(value, int) else tuple(value) * (2 if len(value) == 1 else 1)
    return pair[0], pair[1]


def _coverage(size: int, count: int, step: int, width: int) -> Float[np.ndarray, "size count"]:
    first = np.arange(count) * step
    pixel = np.arange(size)[:, None]
    return ((pixel >= first) & (pixel < first + width)).astype(np.float32)


def _interpolation(size: int, count: int, step: int, width: int) -> Float[np.ndarray, "size count"]:
    at = np.clip((np.arange(size) - (width - 1) / 2) / step, 0, count - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count))).astype(np.float32)
