"""Singular vector canonical correlation (SVCCA): which of the directions that vary most two layers share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.rows import Rows, Values, centred, paired_rows


@dataclass(frozen=True, kw_only=True)
class CanonicalCorrelations:
    """What `svcca` finds."""

    correlations: Float[np.ndarray, " k"]
    """Falling, each from 0 to 1."""
    kept: tuple[int, int]
    """Directions kept of either side."""

    @property
    def mean(self) -> float:
        """The mean correlation: SVCCA's number."""
        return float(self.correlations.mean())


def svcca(x: Values, y: Values, share: float = 0.99, *, rows: Rows = "pooled") -> CanonicalCorrelations:
    """Return the canonical correlations of the directions that hold `share` of either side's variance.

    Raises:
        UsageError: A side never changes, or there are not more rows than directions kept: then any two sides agree.

    Source: Raghu et al. 2017, section 2.
    """
    first, second = paired_rows(x, y, rows)
    left, right = _directions(centred(first), share), _directions(centred(second), share)
    kept = left.shape[1], right.shape[1]
    if len(first) <= sum(kept):
        raise UsageError(f"SVCCA needs more rows than the {kept[0]} + {kept[1]} directions kept, got {len(first)}")
    found = np.linalg.svd(left.T @ right, compute_uv=False)
    return CanonicalCorrelations(correlations=np.clip(found, 0, 1), kept=kept)


def _directions(x: Float[np.ndarray, "n c"], share: float) -> Float[np.ndarray, "n k"]:
    """Return the fewest left singular vectors whose squared singular values reach the share."""
    vectors, values, _ = np.linalg.svd(x, full_matrices=False)
    squares = np.cumsum(values**2)
    if not squares[-1] > 0:
        raise UsageError("a layer that is the same for every image has no directions to compare")
    count = int(np.searchsorted(squares, share * squares[-1] * (1 - 1e-12))) + 1
    return vectors[:, :count]
