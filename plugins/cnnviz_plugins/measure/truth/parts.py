"""Scores of a map by its parts, where each part can be removed from the image exactly.

A user's own renderer will do: it draws an image without some parts, and gives a mask for each. Nothing here draws;
these are functions of arrays. Source: Hesse, Schaub-Meyer, Roth 2023, arXiv:2308.06248, sections 3 to 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, stats

Logits = Callable[[Bool[np.ndarray, "m parts"]], Float[np.ndarray, "m classes"]]
"""`logits(kept)`: what the network says of the image with only the kept parts, a row for each."""
Irrelevant = Literal["range", "theirs"]
Scores = float | Float[np.ndarray, " n"]
"""One image's, or one for each image."""
_Z = 1.959964
_IRRELEVANT = 0.05


@dataclass(frozen=True, kw_only=True)
class PartScores:
    """What one image says of a map, 1 being best; NaN where a score does not apply."""

    preserved: float
    """PC: whether the prediction is kept where only important parts remain."""
    deleted: float
    """DC: whether it changes where they are removed."""
    distracted: float
    """D: share of the irrelevant parts that are not called important; NaN where none is irrelevant."""
    ordered: float
    """SD: rank correlation of importance with the fall of the logit, from 0 to 1; NaN where either is constant."""
    sufficient: float
    """CSDC: largest share of a minimal sufficient set that is important; NaN where no set was given."""


def part_importance(
    heat: Float[np.ndarray, "h w"], masks: Bool[np.ndarray, "parts h w"], reach_px: int = 2
) -> Float[np.ndarray, " parts"]:
    """Return the map's signed sum over each part, widened by some pixels.

    A pixel in reach of several parts goes to the nearest; of equally near ones to the first.
    """
    far = np.stack([
        ndimage.distance_transform_cdt(~mask, "chessboard") if mask.any() else np.full(mask.shape, mask.size)
        for mask in masks
    ])  # fmt: skip
    owner = far.argmin(0)
    reached = far.min(0) <= reach_px
    return np.asarray([heat[reached & (owner == part)].sum() for part in range(len(masks))], np.float64)


def important_parts(
    importance: Float[np.ndarray, " parts"], threshold: float, total: float | None = None
) -> Bool[np.ndarray, " parts"]:
    """Return which parts have more than a share of the map's sum; none where the sum is not positive.

    Args:
        importance: As `part_importance` returns it.
        threshold: The share.
        total: Sum of the whole map; that of the parts where not given.
    """
    whole = float(importance.sum()) if total is None else total
    return importance > threshold * whole if whole > 0 else np.zeros(importance.shape, bool)


def part_scores(
    logits: Logits,
    importance: Float[np.ndarray, " parts"],
    threshold: float,
    *,
    total: float | None = None,
    irrelevant: Irrelevant = "range",
    sets: Sequence[tuple[int, ...]] = (),
) -> PartScores:
    """Return what one image says of the map whose parts have the given importance.

    Args:
        logits: The network, on the image with some parts.
        importance: As `part_importance` returns it.
        threshold: The share of the map's sum above which a part is important; to be chosen on other images.
        total: Sum of the whole map; that of the parts where not given.
        irrelevant: A part is irrelevant whose removal raises the predicted class's logit or lowers it by less than 5 %
            of the logit's `range` over single removals and the whole image; in `theirs`, of its size, which depends on
            an offset.
        sets: The image's minimal sufficient sets of parts, as `minimal_sets` returns them; none where classes share
            nothing.

    Cost: one forward pass, one for each part, and two.
    """
    count = len(importance)
    is_important = important_parts(importance, threshold, total)
    kept = np.concatenate(
        [np.ones((1, count), bool), ~np.eye(count, dtype=bool), is_important[None], ~is_important[None]]
    )
    found = np.asarray(logits(kept), np.float64)
    label = int(found[0].argmax())
    whole, single = found[0, label], found[1 : count + 1, label]
    falls = whole - single
    span = max(whole, single.max()) - min(whole, single.min()) if irrelevant == "range" else abs(whole)
    is_irrelevant = falls < _IRRELEVANT * span
    wrong = (is_important & is_irrelevant).sum()
    is_constant = np.ptp(falls) == 0 or np.ptp(importance) == 0
    return PartScores(
        preserved=float(found[count + 1].argmax() == label),
        deleted=float(found[count + 2].argmax() != label),
        distracted=float(1 - wrong / is_irrelevant.sum()) if is_irrelevant.any() else float("nan"),
        ordered=float("nan") if is_constant else float(0.5 + 0.5 * stats.spearmanr(falls, importance).statistic),
        sufficient=sufficient_share(is_important, sets),
    )


def minimal_sets(table: Int[np.ndarray, "classes parts"], label: int) -> list[tuple[int, ...]]:
    """Return the smallest sets of parts whose variants no other class shares with the class.

    Args:
        table: The variant of each part in each class.
        label: The class.
    """
    others = np.delete(table, label, 0)
    for size in range(table.shape[1] + 1):
        found = [
            parts
            for parts in combinations(range(table.shape[1]), size)
            if not (others[:, list(parts)] == table[label, list(parts)]).all(1).any()
        ]
        if found:
            return found
    return []


def sufficient_share(is_important: Bool[np.ndarray, " parts"], sets: Sequence[tuple[int, ...]]) -> float:
    """Return CSDC: the largest share of a minimal sufficient set that is important; NaN where there is no set."""
    return max((float(is_important[list(parts)].mean()) for parts in sets if parts), default=float("nan"))


def completeness_score(csdc: Scores, preserved: Scores, deleted: Scores, distracted: Scores) -> Any:
    """Return Com: the mean of D and of the mean of CSDC, PC and DC, of numbers or of an array for many images.

    Where CSDC is NaN, as classes share no parts, it is left out; where D is, the result is NaN.
    """
    kept = np.where(np.isnan(csdc), (preserved + deleted) / 2, (csdc + preserved + deleted) / 3)
    return (kept + distracted) / 2


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if count == 0:
        return float("nan"), float("nan")
    share, square = hits / count, _Z**2 / count
    middle, half = share + square / 2, np.sqrt(square * share * (1 - share) + square**2 / 4)
    return float((middle - half) / (1 + square)), float((middle + half) / (1 + square))
