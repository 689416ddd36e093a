"""Scores of a unit and a concept: one number per image against whether, or how likely, the image shows the concept.

A concept found in half of its images, or with as many wrong ones added, must score lower. Pearson, cosine, AUPRC, F1
and IoU fall in both cases; AUROC, accuracy and the difference of means do not notice one of them for rare concepts
(Oikarinen, Yan and Weng 2025).
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.errors import UsageError

Score = Literal["auprc", "pearson", "cosine", "f1", "iou", "auroc", "accuracy", "mean_difference"]
"""`f1`, `iou` and `accuracy` call a unit active from a cut on, which a share of the images reaches."""
SOUND: tuple[Score, ...] = ("auprc", "pearson", "cosine", "f1", "iou")
"""Scores that notice missing labels and extra ones."""

SHARE = 0.05
"""Share of images on which a unit counts as active."""

Values = Float[Array | np.ndarray, "*_"]
"""One number per image."""
Concepts = Bool[Array | np.ndarray, "*_"] | Float[Array | np.ndarray, "*_"]
"""Whether, or how likely, an image shows each concept: (n, k), or (n,) for one."""


def score(
    values: Values, concepts: Concepts, kind: Score = "auprc", *, share: float = SHARE, cut: float | None = None
) -> Any:
    """Return the score of a unit with each concept, (k,), or one number for one concept.

    Args:
        values: The unit's number for each image.
        concepts: The concepts; but for Pearson and cosine, an image shows one above 0.5.
        kind: Which score.
        share: Of `f1`, `iou` and `accuracy`: the share of images on which the unit counts as active.
        cut: Of these, the value from which it is active, such as `cut_of` other images; in place of `share`.

    A score that is not defined, of a unit that never changes or a concept that none or all images show, is 0, and 0.5
    for AUROC.

    Raises:
        UsageError: The numbers of images differ, or there is no such score.
    """
    unit, table = np.asarray(values, np.float64), np.asarray(concepts, np.float64)
    one = table.ndim == 1
    table = table[:, None] if one else table
    if unit.ndim != 1 or len(unit) != len(table) or not len(unit):
        raise UsageError(f"a unit has one number for each image, got shapes {unit.shape} and {np.shape(concepts)}")
    if kind in _BY_VALUE:
        found = _BY_VALUE[kind](unit, table)
    elif kind in _BY_CUT:
        active, shown = unit >= (cut_of(unit, share) if cut is None else cut), table > 0.5
        both = active @ shown.astype(np.float64)
        found = _BY_CUT[kind](both, active.sum(), shown.sum(0), len(unit))
    else:
        raise UsageError(f"score is one of {', '.join((*_BY_VALUE, *_BY_CUT))}, got {kind!r}")
    return found[0] if one else found


def cut_of(values: Values, share: float = SHARE) -> float:
    """Return the value at and above which a unit is active: its ceil(share n)-th largest."""
    unit = np.sort(np.asarray(values, np.float64))[::-1]
    if not 0 < share <= 1:
        raise UsageError(f"share lies above 0 and at most 1, got {share:g}")
    return float(unit[int(np.ceil(share * len(unit) - 1e-9)) - 1])


def mid_ranks(values: Values) -> Float[np.ndarray, " n"]:
    """Return ranks from 1, the mean of theirs for equal values."""
    unit = np.asarray(values)
    _, place, count = np.unique(unit, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place.reshape(-1)]


def auroc(ranks: Float[np.ndarray, " n"], shown: Bool[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """Return the areas under the ROC curve from mid-ranks: the chance that an image with the concept ranks higher."""
    positives = shown.sum(0)
    negatives = len(ranks) - positives
    pairs = positives * negatives
    above = ranks @ shown - positives * (positives + 1) / 2
    return np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), 0.5)


def _auroc(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    return auroc(mid_ranks(unit), table > 0.5)


def _auprc(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Σ (R_k - R_{k-1}) P_k over distinct thresholds, falling."""
    order = np.argsort(-unit, kind="stable")
    falling = unit[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(unit) - 1)
    hits = np.cumsum(table[order] > 0.5, axis=0)[ends]
    gained = np.diff(hits, axis=0, prepend=0)
    return (gained * (hits / (ends + 1)[:, None])).sum(0) / np.maximum(hits[-1], 1)


def _pearson(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    return _cosine(unit - unit.mean(), table - table.mean(0))


def _cosine(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    below = np.sqrt((unit * unit).sum() * (table * table).sum(0))
    return np.where(below > 1e-12, unit @ table / np.where(below > 1e-12, below, 1), 0.0)


def _mean_difference(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    shown = table > 0.5
    with_it, without = shown.sum(0), (~shown).sum(0)
    found = unit @ shown / np.maximum(with_it, 1) - unit @ ~shown / np.maximum(without, 1)
    return np.where((with_it > 0) & (without > 0), found, 0.0)


_BY_VALUE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "auprc": _auprc,
    "pearson": _pearson,
    "cosine": _cosine,
    "auroc": _auroc,
    "mean_difference": _mean_difference,
}
_BY_CUT: dict[str, Callable[[Any, Any, Any, int], np.ndarray]] = {
    "f1": lambda both, active, shown, n: 2 * both / np.maximum(active + shown, 1),
    "iou": lambda both, active, shown, n: both / np.maximum(active + shown - both, 1),
    "accuracy": lambda both, active, shown, n: (n - active - shown + 2 * both) / n,
}
KINDS: tuple[str, ...] = (*_BY_VALUE, *_BY_CUT)
"""The scores by name."""
RANKED: tuple[str, ...] = ("auprc", "auroc", *_BY_CUT)
"""Those that depend on the order of a unit's values alone."""
