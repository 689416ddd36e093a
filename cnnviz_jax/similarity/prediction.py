"""Concepts of one network predicted from another's activations (RSVC): what only one of them has."""

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.matching import correlations
from cnnviz_jax.similarity.rows import Values, centred, paired_rows

_EPS = 1e-8
_SWEEPS, _AMONG = 2000, 100


def concept_correlations(u: Values, v: Values) -> Float[np.ndarray, "p q"]:
    """Return the Pearson correlation of every concept of one network with every concept of another, over rows."""
    first, second = (centred(each) for each in paired_rows(u, v))
    return correlations(first.T @ second, (first * first).sum(0), (second * second).sum(0))


def predicted_concepts(
    x: Values, u: Values, *, alpha: float = 0.1, folds: int = 5, tolerance: float = 1e-9
) -> Float[np.ndarray, " p"]:
    """Return how well each concept's coefficients are predicted by a layer's activations, by a sparse linear map.

    Compare with the same from the network's own activations, which is the ceiling: a concept far below it is one that
    the other network does not have.

    Args:
        x: Activations of a layer, one row per crop or image.
        u: Coefficients of the concepts on the same rows.
        alpha: Weight of the lasso's |w|, in |y - x w|² / 2n + alpha |w|.
        folds: Contiguous parts; each is predicted from the others.
        tolerance: Largest change of a weight by a sweep, relative to the weights, at which the lasso has settled.

    Returns:
        The correlation of held-out predictions with the truth, by concept; 0 where either never changes.

    Raises:
        UsageError: Fewer rows than 2 per fold, or other rows on the two sides.

    Source: Kondapaneni, Mac Aodha and Perona 2025, section 3.
    """
    first, second = paired_rows(x, u, least=2 * folds)
    if folds < 2:
        raise UsageError(f"folds is 2 or more, got {folds}")
    first, second = _standardised(first), _standardised(second)
    guess = np.zeros_like(second)
    for held in np.array_split(np.arange(len(first)), folds):
        rest = np.setdiff1d(np.arange(len(first)), held)
        middle_x, middle_y = first[rest].mean(0), second[rest].mean(0)
        weights = lasso(first[rest] - middle_x, second[rest] - middle_y, alpha, tolerance=tolerance)
        guess[held] = (first[held] - middle_x) @ weights + middle_y
    found = correlations(
        centred(guess).T @ centred(second), (centred(guess) ** 2).sum(0), (centred(second) ** 2).sum(0)
    )
    return np.diagonal(found).copy()


def _standardised(x: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    return centred(x) / (x.std(0) + _EPS)


def lasso(
    x: Float[np.ndarray, "n c"], y: Float[np.ndarray, "n p"], alpha: float, *, tolerance: float = 1e-9
) -> Float[np.ndarray, "c p"]:
    """Return the weights of least |y - x w|² / 2n + alpha |w|₁, by coordinate descent; all targets at once.

    Raises:
        UsageError: The weights did not settle.
    """
    n = len(x)
    gram, answer = x.T @ x / n, x.T @ y / n
    weights = np.zeros_like(answer)

    def settled(chosen: Int[np.ndarray, " m"]) -> bool:
        """Move the chosen weights once, in turn; return whether none moved."""
        moved = 0.0
        for j in chosen:
            size = gram[j, j]
            pull = answer[j] - gram[j] @ weights + size * weights[j]
            new = np.sign(pull) * np.maximum(np.abs(pull) - alpha, 0) / size
            moved = max(moved, float(np.abs(new - weights[j]).max()))
            weights[j] = new
        return moved <= tolerance * max(1.0, float(np.abs(weights).max()))

    live = np.flatnonzero(np.diagonal(gram) > 0)
    for _ in range(_SWEEPS):
        if settled(live):
            return weights
        # Most weights are 0 and stay so: between two sweeps over all only the others move.
        active = live[(weights[live] != 0).any(1)]
        for _ in range(_AMONG):
            if settled(active):
                break
    raise UsageError(f"the lasso did not settle in {_SWEEPS} sweeps over all; a larger alpha than {alpha:g} does")
