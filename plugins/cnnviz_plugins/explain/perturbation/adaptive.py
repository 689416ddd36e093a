"""A coarse grid of windows first, then those where it changes most; the others are interpolated."""

from dataclasses import dataclass
from itertools import product
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_plugins.explain.perturbation.spreading import along_axes


@dataclass(frozen=True)
class CoarseFirst:
    """Which windows of a grid are computed: every `step`-th along each axis, then `more` others."""

    counts: tuple[int, ...]
    """Windows along each axis."""
    step: int
    more: int

    @classmethod
    def of(cls, counts: tuple[int, ...], share: float) -> "CoarseFirst":
        """Return the plan that computes `share` of the windows, at most half of that share coarse.

        A grid too small for a coarse one that sparse has only its corners computed first.
        """
        budget = max(1, round(share * prod(counts)))
        step = 2
        while step < max(counts) and prod(len(_every(count, step)) for count in counts) > budget / 2:
            step += 1
        coarse = prod(len(_every(count, step)) for count in counts)
        return cls(counts, step, min(max(0, budget - coarse), prod(counts) - coarse))

    @property
    def coarse(self) -> Int[np.ndarray, " first"]:
        """The numbers of the windows of the coarse grid."""
        numbers = np.arange(prod(self.counts), dtype=np.int32).reshape(self.counts)
        return numbers[np.ix_(*self._lines)].reshape(-1)

    @property
    def _lines(self) -> list[Int[np.ndarray, " some"]]:
        return [_every(count, self.step) for count in self.counts]

    @property
    def count(self) -> int:
        """How many windows are computed."""
        return len(self.coarse) + self.more

    def start(self) -> Int[Array, " computed"]:
        """Return the windows in order of computation, as far as they are known."""
        return jnp.concatenate([jnp.asarray(self.coarse), jnp.zeros(self.more, jnp.int32)])

    def chosen(self, values: Float[Array, " computed"]) -> Int[Array, " computed"]:
        """Return all windows in order of computation, the later ones where the coarse grid changes most.

        How much it changes is the range of the coarse values at the corners around a window. Traceable.
        """
        lines = self._lines
        grid = values[: len(self.coarse)].reshape([len(line) for line in lines])
        # Along an axis of one line all windows have the same neighbours.
        sides = [(slice(None, -1), slice(1, None)) if n > 1 else (slice(None),) for n in grid.shape]
        corners = jnp.stack([grid[corner] for corner in product(*sides)])
        change = corners.max(0) - corners.min(0)
        for axis, (count, line) in enumerate(zip(self.counts, lines, strict=True)):
            cell = np.searchsorted(line, np.arange(count), side="right") - 1
            change = jnp.take(change, np.clip(cell, 0, change.shape[axis] - 1), axis)
        wish = change.reshape(-1).at[jnp.asarray(self.coarse)].set(-1.0)
        _, best = jax.lax.top_k(wish, self.more)
        return jnp.concatenate([jnp.asarray(self.coarse), best.astype(jnp.int32)])

    def filled(
        self, values: Float[Array, " computed"], order: Int[Array, " computed"]
    ) -> tuple[Float[Array, "..."], Bool[Array, "..."]]:
        """Return the grid, linear between the coarse values where nothing was computed, and where something was."""
        lines = self._lines
        coarse = values[: len(self.coarse)].reshape([len(line) for line in lines])
        between = [jnp.asarray(_between(count, line)) for count, line in zip(self.counts, lines, strict=True)]
        full = along_axes(coarse, between).reshape(-1).at[order].set(values).reshape(self.counts)
        computed = jnp.zeros(prod(self.counts), bool).at[order].set(True)
        return full, computed.reshape(self.counts)


def _every(count: int, step: int) -> Int[np.ndarray, " some"]:
    """Every `step`-th number below `count`, and the last."""
    return np.unique([*range(0, count, step), count - 1])


def _between(count: int, known: Int[np.ndarray, " some"]) -> Float[np.ndarray, "count some"]:
    """Linear interpolation from `known` places to all."""
    weights = [np.interp(np.arange(count), known, unit) for unit in np.eye(len(known))]
    return np.stack(weights, 1).astype(np.float32)
