"""Whether a score notices wrong labels, on the data at hand: half of a concept's dropped, or as many added."""

import numpy as np
from jaxtyping import Array, Bool

from cnnviz_jax.naming.scores import SHARE, Score, score

LEAST_FALL = 0.001
"""A score that falls by less of its range does not notice."""


def without_half(concept: Bool[np.ndarray, " n"], seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Return the concept with half of its images, drawn by the seed, said not to show it."""
    found = np.array(concept)
    shown = np.flatnonzero(concept)
    found[np.random.default_rng(seed).permutation(shown)[: len(shown) // 2]] = False
    return found


def with_as_many_more(concept: Bool[np.ndarray, " n"], seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Return the concept with as many images again, drawn by the seed, said to show it."""
    found = np.array(concept)
    others = np.flatnonzero(~np.asarray(concept))
    found[np.random.default_rng(seed).permutation(others)[: int(np.sum(concept))]] = True
    return found


def falls(
    concepts: Bool[Array | np.ndarray, "n k"], kind: Score, *, share: float = SHARE, seed: int = 0
) -> tuple[float, float]:
    """Return by how much a score of a perfect unit falls with missing labels and with extra ones, as shares of it.

    The unit is the concept itself; the mean over concepts that some images show and some do not. nan without one.

    Source: Oikarinen, Yan and Weng 2025, section 4.
    """
    table = np.asarray(concepts, bool)
    kept = [column for column in table.T if 1 < column.sum() < len(column)]
    found = []
    for column in kept:
        unit = column.astype(np.float64)
        active = max(float(column.mean()), 1e-9)
        whole = float(score(unit, column, kind, share=active))
        changed = [without_half(column, seed), with_as_many_more(column, seed)]
        found.append([(whole - float(score(unit, each, kind, share=active))) / whole for each in changed])
    if not found:
        return float("nan"), float("nan")
    missing, extra = np.mean(found, 0)
    return float(missing), float(extra)
