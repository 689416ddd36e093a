"""Where occlusion windows stand, and how one number per window becomes a map of the image."""

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
        free = [(image[axis] - size[axis]) for axis in (0, 1)]
        if edge == "truncate":
            counts = [-(-free[axis] // step[axis]) + 1 for axis in (0, 1)]
        else:
            counts = [free[axis] // step[axis] + 1 for axis in (0, 1)]
        return cls(size[0], size[1], counts[0], counts[1], step, (image[0], image[1]))

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.rows * self.cols

    @property
    def sweep(self) -> WindowSweep:
        """The same windows, for models that are run on windows alone."""
        rows = tuple(_interval(row, self.step[0], self.height, self.image[0]) for row in range(self.rows))
        cols = tuple(_interval(col, self.step[1], self.width, self.image[1]) for col in range(self.cols))
        return WindowSweep(rows, cols)

    def mask(self, index: Int[Array, ""]) -> Bool[Array, "h w 1"]:
        """Return which pixels window `index` occludes."""
        top, left = index // self.cols * self.step[0], index % self.cols * self.step[1]
        row, col = jnp.arange(self.image[0])[:, None, None], jnp.arange(self.image[1])[None, :, None]
        return (row >= top) & (row < top + self.height) & (col >= left) & (col < left + self.width)

    def enlarged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return the grid read bilinearly between the windows' centres; the outermost values reach the border."""
        along_rows = _interpolation(self.image[0], self.rows, self.step[0], self.height)
        along_cols = _interpolation(self.image[1], self.cols, self.step[1], self.width)
        return jnp.asarray(along_rows) @ grid @ jnp.asarray(along_cols).T

    def summed(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the sum over the windows that occlude it."""
        along_rows = _coverage(self.image[0], self.rows, self.step[0], self.height)
        along_cols = _coverage(self.image[1], self.cols, self.step[1], self.width)
        return jnp.asarray(along_rows) @ grid @ jnp.asarray(along_cols).T

    def averaged(self, grid: Float[Array, "rows cols"]) -> Float[Array, "h w"]:
        """Return, for each pixel, the mean over the windows that occlude it; 0 where none does."""
        return self.summed(grid) / jnp.maximum(self.summed(jnp.ones_like(grid)), 1)


def _interval(number: int, step: int, size: int, end: int) -> tuple[int, int]:
    return number * step, min(number * step + size, end)


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
