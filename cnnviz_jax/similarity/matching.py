"""Units matched by correlation: which unit of one network answers as which unit of another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.rows import Rows, Values, centred, paired_rows


@dataclass(frozen=True, kw_only=True)
class UnitMatching:
    """Units of two layers by correlation; units that never change correlate 0 and are `dead`."""

    correlation: Float[np.ndarray, "c d"]
    """Pearson correlation of every unit of one layer with every unit of the other."""
    pairs: Int[np.ndarray, "m 2"]
    """Units matched one to one, by the assignment of largest total correlation."""
    best_of_x: Int[np.ndarray, " c"]
    """The unit of the second layer that each unit of the first correlates with most; ties go to the lower number."""
    best_of_y: Int[np.ndarray, " d"]
    """The other way round."""
    dead_x: tuple[int, ...]
    dead_y: tuple[int, ...]

    @property
    def matched(self) -> Float[np.ndarray, " m"]:
        """The signed correlation of each pair."""
        return self.correlation[self.pairs[:, 0], self.pairs[:, 1]]

    @property
    def mean(self) -> float:
        """The mean correlation of matched units; of their sizes where signs do not count."""
        return float(np.mean(np.abs(self.matched) if self.absolute else self.matched))

    absolute: bool = False
    """Whether units of opposite sign count as alike."""

    def unmatched(self, below: float = 0.5) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the units of either layer whose best match is weaker than `below`."""
        size = np.abs(self.correlation) if self.absolute else self.correlation
        return tuple(np.flatnonzero(size.max(1) < below).tolist()), tuple(np.flatnonzero(size.max(0) < below).tolist())


def match_units(x: Values, y: Values, *, absolute: bool = False, rows: Rows | None = None) -> UnitMatching:
    """Return which units of two layers answer alike to the same images.

    Args:
        x: Values of one layer, (n, c) or (n, h, w, c).
        y: Values of the other for the same images.
        absolute: Count a correlation of -1 as one of 1.
        rows: What one row is, of maps; every position where both have one grid, else each image's mean.

    Raises:
        UsageError: Other images on the two sides.

    Source: Li et al. 2015, sections 3 and 4.
    """
    is_one_grid = np.ndim(x) > 2 and np.shape(x)[1:-1] == np.shape(y)[1:-1]
    first, second = paired_rows(x, y, rows or ("positions" if is_one_grid else "pooled"))
    first, second = centred(first), centred(second)
    return matching_of(first.T @ second, (first * first).sum(0), (second * second).sum(0), absolute=absolute)


def matching_of(
    products: Float[np.ndarray, "c d"],
    squares_x: Float[np.ndarray, " c"],
    squares_y: Float[np.ndarray, " d"],
    *,
    absolute: bool = False,
) -> UnitMatching:
    """Return the matching from sums over centred rows: Σxy' and each unit's Σx²."""
    from scipy.optimize import linear_sum_assignment

    found = correlations(products, squares_x, squares_y)
    size = np.abs(found) if absolute else found
    return UnitMatching(
        correlation=found,
        pairs=np.stack(linear_sum_assignment(-size), 1),
        best_of_x=size.argmax(1),
        best_of_y=size.argmax(0),
        dead_x=_dead(squares_x),
        dead_y=_dead(squares_y),
        absolute=absolute,
    )


def correlations(
    products: Float[np.ndarray, "c d"], squares_x: Float[np.ndarray, " c"], squares_y: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "c d"]:
    """Return Pearson correlations from sums over centred rows; 0 for units that never change."""
    below = np.sqrt(np.maximum(squares_x, 0))[:, None] * np.sqrt(np.maximum(squares_y, 0))[None]
    alive = np.ones_like(below, bool)
    alive[list(_dead(squares_x))] = False
    alive[:, list(_dead(squares_y))] = False
    return np.clip(np.where(alive, products / np.where(alive, below, 1), 0), -1, 1)


def _dead(squares: Float[np.ndarray, " c"]) -> tuple[int, ...]:
    """Return the units whose values never change, but for the rounding of their mean."""
    return tuple(np.flatnonzero(squares <= 1e-20 * max(float(squares.max(initial=0)), 0)).tolist())


def chance_correlation(
    x: Values, y: Values, *, absolute: bool = False, rows: Rows | None = None, percent: float = 95, seed: int = 0
) -> float:
    """Return what matched units correlate by chance: that percentile with the images of `y` permuted once by the seed.

    Raises:
        UsageError: Other images on the two sides.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    found = match_units(x, np.asarray(y)[order], absolute=absolute, rows=rows)
    if not len(found.pairs):
        raise UsageError("no units to match")
    return float(np.percentile(np.abs(found.matched) if absolute else found.matched, percent))
