"""A coarse grid of windows first, then those where it changes most; the others are interpolated."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


@dataclass(frozen=True)
class CoarseFirst:
    """Which windows of a grid of `rows` x `cols` are computed: every `step`-th, then `more` others."""

    rows: int
    cols: int
    step: int
    more: int

    @classmethod
    def of(cls, rows: int, cols: int, share: float) -> "CoarseFirst":
        """Return the plan that computes `share` of the windows, at most half of that share coarse.

        A grid too small for a coarse one that sparse has only its corners computed first.
        """
        budget = max(1, round(share * rows * cols))
        step = 2
        while step < max(rows, cols) and len(_every(rows, step)) * len(_every(cols, step)) > budget / 2:
            step += 1
        coarse = len(_every(rows, step)) * len(_every(cols, step))
        return cls(rows, cols, step, min(max(0, budget - coarse), rows * cols - coarse))

    @property
    def coarse(self) -> Int[np.ndarray, " first"]:
        """The numbers of the windows of the coarse grid."""
        rows, cols = self._lines
        numbers: np.ndarray = (rows[:, None] * self.cols + cols[None, :]).reshape(-1)
        return numbers.astype(np.int32)

    @property
    def _lines(self) -> tuple[Int[np.ndarray, " down"], Int[np.ndarray, " across"]]:
        return _every(self.rows, self.step), _every(self.cols, self.step)

    @property
    def count(self) -> int:
        """How many windows are computed."""
        return len(self.coarse) + self.more

    def start(self) -> Int[Array, " computed"]:
        """Return the windows in order of computation, as far as they are known."""
        return jnp.concatenate([jnp.asarray(self.coarse), jnp.zeros(self.more, jnp.int32)])

    def chosen(self, values: Float[Array, " computed"]) -> Int[Array, " computed"]:
        """Return all windows in order of computation, the later ones where the coarse grid changes most.

        How much it changes is the range of the four coarse values around a window. Traceable.
        """
        rows, cols = self._lines
        grid = values[: len(self.coarse)].reshape(len(rows), len(cols))
        corners = jnp.stack([grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]])
        if 0 in corners.shape:
            corners = grid[None]
        change = corners.max(0) - corners.min(0)
        y = np.clip(np.searchsorted(rows, np.arange(self.rows), side="right") - 1, 0, change.shape[0] - 1)
        x = np.clip(np.searchsorted(cols, np.arange(self.cols), side="right") - 1, 0, change.shape[1] - 1)
        wish = change[y][:, x].reshape(-1).at[jnp.asarray(self.coarse)].set(-1.0)
        _, best = jax.lax.top_k(wish, self.more)
        return jnp.concatenate([jnp.asarray(self.coarse), best.astype(jnp.int32)])

    def filled(
        self, values: Float[Array, " computed"], order: Int[Array, " computed"]
    ) -> tuple[Float[Array, "rows cols"], Bool[Array, "rows cols"]]:
        """Return the grid, bilinear between the coarse values where nothing was computed, and where something was."""
        rows, cols = self._lines
        coarse = values[: len(self.coarse)].reshape(len(rows), len(cols))
        grid = jnp.asarray(_between(self.rows, rows)) @ coarse @ jnp.asarray(_between(self.cols, cols)).T
        full = grid.reshape(-1).at[order].set(values).reshape(self.rows, self.cols)
        computed = jnp.zeros(self.rows * self.cols, bool).at[order].set(True)
        return full, computed.reshape(self.rows, self.cols)


def _every(count: int, step: int) -> Int[np.ndarray, " some"]:
    """Every `step`-th number below `count`, and the last."""
    return np.unique([*range(0, count, step), count - 1])


def _between(count: int, known: Int[np.ndarray, " some"]) -> Float[np.ndarray, "count some"]:
    """Linear interpolation from `known` places to all."""
    weights = [np.interp(np.arange(count), known, unit) for unit in np.eye(len(known))]
    return np.stack(weights, 1).astype(np.float32)
