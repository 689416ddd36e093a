"""Representational similarity analysis: which images two layers hold for alike, pair by pair."""

import warnings
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_jax.errors import CnnvizWarning, UsageError
from cnnviz_jax.similarity.rows import Rows, Values, as_rows, paired_rows

Correlation = Literal["spearman", "pearson", "kendall_b"]
"""How two tables of dissimilarities are compared."""
_MOST = 5000


def dissimilarities(x: Values, *, rows: Rows = "pooled") -> Float[np.ndarray, "k k"]:
    """Return 1 less the Pearson correlation of the rows of every pair of images; `nan` where a row is constant."""
    table = as_rows(x, rows)
    table = table - table.mean(1, keepdims=True)
    size = np.sqrt((table * table).sum(1))
    unit = table / np.where(size > _floor(table), size, np.nan)[:, None]
    return 1 - unit @ unit.T


def _floor(table: np.ndarray) -> float:
    return float(np.abs(table).max()) * 1e-12


def rsa(
    x: Values,
    y: Values,
    correlation: Correlation = "spearman",
    *,
    rows: Rows = "pooled",
    most: int = _MOST,
    seed: int = 0,
) -> float:
    """Return how alike two layers rank the dissimilarities of all pairs of images, from -1 to 1.

    Args:
        x: Values of one layer.
        y: Values of the other for the same images.
        correlation: Between the two lists of dissimilarities.
        rows: What one row is, of maps.
        most: Of more images so many are drawn: the pairs grow with their square.
        seed: Of that draw.

    Images whose row is constant are left out, with a warning.

    Raises:
        UsageError: Fewer than 3 images are left, or there is no such correlation.

    Randomness: the draw, where there are more than `most` images.

    Source: Kriegeskorte et al. 2008.
    """
    first, second = _pair_of_tables(x, y, rows, most, seed)
    above = np.triu_indices(len(first), 1)
    return _correlated(first[above], second[above], correlation)


def rsa_interval(
    x: Values,
    y: Values,
    correlation: Correlation = "spearman",
    *,
    rows: Rows = "pooled",
    most: int = _MOST,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of `rsa` by bootstrap over images; pairs of an image with itself are left out.

    Randomness: `draws` draws of images with replacement, by the seed.
    """
    first, second = _pair_of_tables(x, y, rows, most, seed)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        drawn = rng.integers(len(first), size=len(first))
        left, right = np.triu_indices(len(first), 1)
        left, right = drawn[left], drawn[right]
        other = left != right
        found.append(_correlated(first[left[other], right[other]], second[left[other], right[other]], correlation))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _pair_of_tables(
    x: Values, y: Values, rows: Rows, most: int, seed: int
) -> tuple[Float[np.ndarray, "k k"], Float[np.ndarray, "k k"]]:
    if rows == "positions":
        raise UsageError('RSA compares images, not positions; rows is "pooled" or "flat"')
    first, second = paired_rows(x, y, rows, least=3)
    if len(first) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(len(first), most, replace=False))
        first, second = first[chosen], second[chosen]
    kept = _varies(first) & _varies(second)
    if not kept.all():
        text = f"{int((~kept).sum())} images are left out: all channels have one value there"
        warnings.warn(text, CnnvizWarning, stacklevel=3)
    if kept.sum() < 3:
        raise UsageError(f"RSA needs 3 images whose rows vary, got {int(kept.sum())}")
    return dissimilarities(first[kept]), dissimilarities(second[kept])


def _varies(table: Float[np.ndarray, "n c"]) -> Bool[np.ndarray, " n"]:
    middle = table - table.mean(1, keepdims=True)
    varies: np.ndarray = np.sqrt((middle * middle).sum(1)) > _floor(middle)
    return varies


def _correlated(a: Float[np.ndarray, " p"], b: Float[np.ndarray, " p"], correlation: Correlation) -> float:
    from scipy import stats

    known = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall_b": stats.kendalltau}
    if correlation not in known:
        raise UsageError(f'correlation is "spearman", "pearson" or "kendall_b", got {correlation!r}')
    return float(known[correlation](a, b)[0])
