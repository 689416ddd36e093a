"""How much one array moved: weights quantised, pruned or fine-tuned, or the activations that follow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import UsageError

LEVELS = 127
"""Steps from 0 to the largest weight of symmetric 8-bit numbers."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """How an array differs from what it was."""

    relative_error: float
    """Length of the change over the length of the old array."""
    sqnr_db: float
    """Signal to quantisation noise, 10 log10 of the squares' ratio, in dB; infinite where nothing changed."""
    cosine: float
    """Between the two arrays; 1 where only the scale changed."""
    newly_zero: float
    """Share of entries that are 0 now and were not."""


def change(old: Float[Array | np.ndarray, "..."], new: Float[Array | np.ndarray, "..."]) -> Change:
    """Return how `new` differs from `old`.

    Raises:
        UsageError: The shapes differ, or there are no numbers.
    """
    first, second = np.asarray(old, np.float64), np.asarray(new, np.float64)
    if first.shape != second.shape or not first.size:
        raise UsageError(f"a change is between arrays of one shape, got {first.shape} and {second.shape}")
    found = change_of(float((first**2).sum()), float((second**2).sum()), float(((first - second) ** 2).sum()))
    return Change(**{**vars(found), "newly_zero": float(((second == 0) & (first != 0)).mean())})


def change_of(squares: float, squares_new: float, squares_of_change: float) -> Change:
    """Return the change from sums of squares: of the old numbers, of the new ones and of their difference."""
    if squares_of_change == 0:
        return Change(relative_error=0.0, sqnr_db=float("inf"), cosine=1.0 if squares > 0 else 0.0, newly_zero=0.0)
    share = squares_of_change / squares if squares > 0 else float("inf")
    product = (squares + squares_new - squares_of_change) / 2
    below = np.sqrt(squares * squares_new)
    return Change(
        relative_error=float(np.sqrt(share)),
        sqnr_db=float(-10 * np.log10(share)),
        cosine=float(np.clip(product / below, -1, 1)) if below > 0 else 0.0,
        newly_zero=0.0,
    )


def quantised(weights: Float[Array | np.ndarray, "*shape"], levels: int = LEVELS) -> Float[np.ndarray, "*shape"]:
    """Return the array rounded to `levels` steps on either side of 0 (127 for int8, 7 for int4), half to even."""
    array = np.asarray(weights, np.float64)
    step = np.abs(array).max(initial=0) / levels
    return np.clip(np.rint(array / step), -levels, levels) * step if step > 0 else array


def pruned(weights: Float[Array | np.ndarray, "*shape"], kept: float) -> Float[np.ndarray, "*shape"]:
    """Return the array with only that share of its entries, the largest by size, the others 0."""
    array = np.asarray(weights, np.float64)
    largest = np.argsort(-np.abs(array).ravel(), kind="stable")[: round(kept * array.size)]
    mask = np.zeros(array.size, bool)
    mask[largest] = True
    return np.where(mask.reshape(array.shape), array, 0)
