"""Cells of the unit square: which rows of activations stand in each, and their mean."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from cnnviz_jax.errors import UsageError

MOST_ASSIGNED = 2500
"""Points that `assigned` takes: its cost grows with their cube."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Points in a square of g x g cells."""

    number: Int[np.ndarray, " n"]
    """Cell of each point: first axis times g plus second axis."""
    counts: Int[np.ndarray, "g g"]
    """Points in each cell."""


def cells_of(places: Float[np.ndarray, "n 2"], size: int) -> Cells:
    """Return which of `size` x `size` cells each place in the unit square falls into; 1 belongs to the last.

    Raises:
        UsageError: `size` is below 1, or a place lies outside.
    """
    values = np.asarray(places, np.float64)
    if size < 1 or values.min(initial=0) < 0 or values.max(initial=0) > 1:
        raise UsageError(f"cells are {size} x {size} of the unit square, and places lie within it")
    at = np.minimum((size * values).astype(int), size - 1)
    number = at[:, 0] * size + at[:, 1]
    return Cells(number=number, counts=np.bincount(number, minlength=size * size).reshape(size, size))


def cell_means(
    rows: Float[np.ndarray, "n c"], cells: Cells, *, more_than: int = 5
) -> dict[tuple[int, int], Float[np.ndarray, " c"]]:
    """Return the mean of the rows in every cell that has more than so many: one direction per icon of an atlas.

    Source: Carter et al. 2019; Lucid keeps cells of more than five.
    """
    values, size = np.asarray(rows, np.float64), len(cells.counts)
    kept = zip(*np.nonzero(cells.counts > more_than), strict=True)
    return {(int(a), int(b)): values[cells.number == a * size + b].mean(0) for a, b in kept}


def assigned(places: Float[np.ndarray, "n 2"], size: int) -> tuple[Int[np.ndarray, " n"], float]:
    """Return a cell for each place, no two in one, at the least sum of squared distances, and that sum.

    Cells' middles are ((i + 0.5) / size, (j + 0.5) / size); a cell's number is i * size + j.

    Raises:
        UsageError: There are more places than cells, or more than can be assigned.

    Source: Jonker and Volgenant 1987, by SciPy's `linear_sum_assignment`.
    """
    values = np.asarray(places, np.float64)
    if len(values) > size * size or len(values) > MOST_ASSIGNED:
        raise UsageError(
            f"{len(values)} places do not fit {size} x {size} cells, at most {MOST_ASSIGNED}; group them first"
        )
    middle = (np.arange(size) + 0.5) / size
    centres = np.stack(np.meshgrid(middle, middle, indexing="ij"), -1).reshape(-1, 2)
    cost = ((values[:, None] - centres) ** 2).sum(-1)
    rows, columns = linear_sum_assignment(cost)
    return columns[np.argsort(rows)], float(cost[rows, columns].sum())
