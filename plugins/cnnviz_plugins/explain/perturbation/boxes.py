"""Where occlusion boxes stand in a volume: windows with a depth."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_plugins.explain.perturbation.windows import OccludingGrid, laid_along

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Boxes(OccludingGrid):
    """A grid of equal boxes; box i stands where `i` unravels to in the grid, the last axis fastest.

    Maps are held as the volume is, slice below slice: (depth * height, width).
    """

    size: Triple
    """Depth, height and width of a box."""
    counts: Triple
    """Boxes along each axis."""
    step: Triple
    volume: Triple

    @classmethod
    def over(cls, volume: Triple, window: object, stride: object, edge: str) -> "Boxes":
        """Return the grid for a volume.

        Raises:
            WindowError: The box is larger than the volume, or has another number of sides.
        """
        size, step, counts = laid_along(volume, window, stride, edge)
        return cls(size, counts, step, volume)  # type: ignore[arg-type]  # three numbers for three

    @property
    def count(self) -> int:
        """Number of boxes."""
        return int(np.prod(self.counts))

    @property
    def rows(self) -> int:
        """Rows of the grid as it is held."""
        return self.counts[0] * self.counts[1]

    @property
    def cols(self) -> int:
        """Columns of the grid."""
        return self.counts[2]

    def mask(self, index: Int[Array, ""]) -> Bool[Array, "h w 1"]:
        """Return which entries box `index` occludes."""
        firsts = jnp.stack(jnp.unravel_index(index, self.counts)) * jnp.asarray(self.step)
        inside = []
        for axis, (extent, side) in enumerate(zip(self.volume, self.size, strict=True)):
            at = jnp.arange(extent)
            along = (at >= firsts[axis]) & (at < firsts[axis] + side)
            inside.append(along.reshape([-1 if k == axis else 1 for k in range(3)]))
        whole = inside[0] & inside[1] & inside[2]
        return whole.reshape(self.volume[0] * self.volume[1], self.volume[2], 1)

    def _spread(self, grid: Float[Array, "rows cols"], along: Callable[..., np.ndarray]) -> Float[Array, "h w"]:
        depth, rows, cols = (
            jnp.asarray(along(*each)) for each in zip(self.volume, self.counts, self.step, self.size, strict=True)
        )
        whole = jnp.einsum("ia,jb,kc,abc->ijk", depth, rows, cols, grid.reshape(self.counts), precision="highest")
        return whole.reshape(self.volume[0] * self.volume[1], self.volume[2])
