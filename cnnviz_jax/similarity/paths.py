"""Whether synthesised images take the way through a network that natural ones take, layer by layer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.rows import centred_ranks

LEAST_APART = 0.05
"""Below this difference of `same` and `other` the layer does not tell a unit's images from others'."""


@dataclass(frozen=True, kw_only=True)
class PathSimilarity:
    """How alike the values of one layer are for synthesised and for natural images of one unit."""

    similarity: float
    """Mean rank correlation of synthesised images with the unit's natural ones: `s`."""
    same: float
    """Mean over pairs of the unit's natural images."""
    other: float
    """Mean of the unit's natural images with those of other units."""
    normalised: float
    """(s - other) / (same - other): 1 like natural images of the unit, 0 like those of others; `nan` with a reason
    where `same` and `other` are less than 0.05 apart."""
    reason: str = ""
    """Why `normalised` is `nan`."""


def path_similarity(
    synthetic: Float[np.ndarray, "v ..."],
    natural: Float[np.ndarray, "n ..."],
    others: Float[np.ndarray, "o ..."],
) -> PathSimilarity:
    """Return how alike one layer holds synthesised and natural images that a unit fires for.

    Args:
        synthetic: The layer's values for the unit's synthesised images, one row each.
        natural: For its strongest natural images; at least two.
        others: For the strongest natural images of other units or classes.

    Raises:
        UsageError: There are too few images, or values of other sizes.

    Source: Geirhos et al. 2024, section 4.
    """
    rows = [np.asarray(each, np.float64).reshape(len(each), -1) for each in (synthetic, natural, others)]
    if len(rows[0]) < 1 or len(rows[1]) < 2 or len(rows[2]) < 1:
        counts = ", ".join(str(len(each)) for each in rows)
        raise UsageError(
            f"one synthesised image, two natural ones and one of another unit are needed at least, got {counts}"
        )
    if len({each.shape[1] for each in rows}) > 1:
        raise UsageError("the layer's values are of different sizes: all images must be of the model's own size")
    made, own, foreign = (_standardised_ranks(each) for each in rows)
    pairs = own @ own.T
    same = float(pairs[np.triu_indices(len(own), 1)].mean())
    similarity, other = float((made @ own.T).mean()), float((own @ foreign.T).mean())
    if not same - other >= LEAST_APART:
        return PathSimilarity(
            similarity=similarity, same=same, other=other, normalised=float("nan"),
            reason=f"images of the unit are no more alike here ({same:.2f}) than images of others ({other:.2f})",
        )  # fmt: skip
    return PathSimilarity(
        similarity=similarity, same=same, other=other, normalised=(similarity - other) / (same - other)
    )


def _standardised_ranks(rows: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Return ranks whose products of rows are Spearman correlations; a constant row is alike to none."""
    ranks = centred_ranks(rows)
    size = np.linalg.norm(ranks, axis=1, keepdims=True)
    standardised: np.ndarray = ranks / np.where(size > 0, size, 1)
    return standardised
