"""How good a dictionary is: what it explains of rows it never saw, how sparse, how alike after another start."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

Rows = Float[np.ndarray, "n c"]
HeldOut = Float[np.ndarray, "m c"]


def explained(rows: Rows, rebuilt: Rows) -> float:
    """Return R2: 1 less the share of the rows' variance that is left; the mean is each channel's own.

    With one mean for all channels, differences between channels would count as explained.
    """
    rows, rebuilt = rows.astype(np.float64), rebuilt.astype(np.float64)
    spread = float(((rows - rows.mean(0)) ** 2).sum())
    return 1 - float(((rows - rebuilt) ** 2).sum()) / spread if spread > 0 else float("nan")


def coherence(directions: Float[np.ndarray, "k c"]) -> float:
    """Return the largest absolute cosine of two directions: 1 where one is there twice."""
    unit = _unit(directions)
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0)
    return float(cosines.max()) if len(unit) > 1 else 0.0


def stability(first: Float[np.ndarray, "k c"], second: Float[np.ndarray, "m c"]) -> tuple[float, np.ndarray]:
    """Return the mean cosine of directions matched one to one, and the match of each of `first`, -1 for none.

    Source: Fel et al. 2025, arXiv:2502.12892, section 3; the match is the one of largest sum (Hungarian).
    """
    cosines = _unit(first) @ _unit(second).T
    rows, columns = linear_sum_assignment(-cosines)
    match = np.full(len(first), -1)
    match[rows] = columns
    return float(cosines[rows, columns].mean()), match


def mean_max(first: Float[np.ndarray, "k c"], second: Float[np.ndarray, "m c"]) -> tuple[float, float]:
    """Return the mean over `first` of the largest cosine with any of `second`, and the other way round."""
    cosines = _unit(first) @ _unit(second).T
    return float(cosines.max(1).mean()), float(cosines.max(0).mean())


def principal(rows: Rows, held_out: HeldOut, rank: int) -> float:
    """Return the R2 on `held_out` of the `rank` principal directions of `rows`: what no sparsity reaches at that rank.

    A dictionary that explains less with as many codes a row has not paid for itself.
    """
    mean = rows.astype(np.float64).mean(0)
    centred = rows - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    kept = vectors[:, ::-1][:, :rank]
    return explained(held_out, (mean + (held_out - mean) @ kept @ kept.T))


def measured(
    rows: Rows,
    held_out: HeldOut,
    encode: Callable[[np.ndarray], np.ndarray],
    decode: Callable[[np.ndarray], np.ndarray],
) -> tuple[dict[str, float], Float[np.ndarray, " k"]]:
    """Return the measures on rows that were not learned from, and the share of them in which each code fires.

    Returns:
        `r2`, `fvu` (1 - r2), `l0` (codes of a row that are not 0, mean), `dead` (share of codes that never fire) and
        `pca_r2`, which `principal` says at a rank of `l0`.
    """
    codes = encode(held_out)
    firing = (codes != 0).mean(0)
    found = explained(held_out, decode(codes))
    l0 = float((codes != 0).sum(1).mean())
    rank = int(np.clip(round(l0), 0, rows.shape[1]))
    measures = {
        "r2": found,
        "fvu": 1 - found,
        "l0": l0,
        "dead": float((firing == 0).mean()),
        "pca_r2": principal(rows, held_out, rank),
    }
    return measures, firing.astype(np.float32)


def _unit(directions: Float[np.ndarray, "k c"]) -> Float[np.ndarray, "k c"]:
    size = np.linalg.norm(directions.astype(np.float64), axis=1, keepdims=True)
    return directions / np.where(size > 0, size, 1)
