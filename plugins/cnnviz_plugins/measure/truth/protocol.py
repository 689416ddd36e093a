"""The parts protocol over many images: every image is scored with a threshold that was chosen on the others.

The share of a map above which a part is important decides preservation, deletion and distraction. Chosen on the very
images that it scores, as the source does, it flatters; here each half of the images takes the other half's.
Source: Hesse, Schaub-Meyer, Roth 2023, arXiv:2308.06248, section 4.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_jax.plugin import UsageError
from cnnviz_plugins.measure.truth.parts import Logits, PartScores, completeness_score, part_scores

THRESHOLDS = np.linspace(0.01, 0.5, 80)
"""The shares that are tried, the source's."""


class Remembered:
    """A network that answers each set of kept parts once; it is asked of all that are new in one call."""

    def __init__(self, logits: Logits) -> None:
        self._logits = logits
        self._known: dict[bytes, Float[np.ndarray, " classes"]] = {}

    def __call__(self, kept: Bool[np.ndarray, "m parts"]) -> Float[np.ndarray, "m classes"]:
        """Return what the network says of each row."""
        new = {row.tobytes(): row for row in kept if row.tobytes() not in self._known}
        if new:
            answers = np.asarray(self._logits(np.stack(list(new.values()))), np.float64)
            self._known.update(zip(new, answers, strict=True))
        return np.stack([self._known[row.tobytes()] for row in kept])


@dataclass(frozen=True, kw_only=True)
class PartsReport:
    """Scores of one map technique, one number for each image; NaN where a score does not apply."""

    thresholds: tuple[float, float]
    """The share chosen on the images of odd places, which scores those of even ones, and the other way round."""
    preserved: Float[np.ndarray, " n"]
    deleted: Float[np.ndarray, " n"]
    distracted: Float[np.ndarray, " n"]
    ordered: Float[np.ndarray, " n"]
    sufficient: Float[np.ndarray, " n"]

    @property
    def complete(self) -> Float[np.ndarray, " n"]:
        """Completeness of each image, as `completeness_score`; NaN where no part is irrelevant."""
        return completeness_score(self.sufficient, self.preserved, self.deleted, self.distracted)


def parts_report(
    networks: Sequence[Logits],
    importances: Sequence[Float[np.ndarray, " _"]],
    totals: Sequence[float] | None = None,
    sets: Sequence[Sequence[tuple[int, ...]]] | None = None,
    thresholds: Float[np.ndarray, " t"] = THRESHOLDS,
) -> PartsReport:
    """Return what images say of a technique whose maps give their parts these importances.

    Args:
        networks: For each image what `part_scores` asks: the logits with only some parts; `Remembered` where several
            techniques ask the same.
        importances: For each image the importance of its parts, as `part_importance` returns it.
        totals: Sum of each whole map; that of the parts where not given.
        sets: The minimal sufficient sets of parts of each image, as `minimal_sets` returns them; CSDC is left out where
            not given.
        thresholds: Shares that are tried; of equally good ones the first is taken.

    Raises:
        UsageError: There are fewer than two images, or the lists differ in length.

    Cost: for each image one forward pass, one for each part, and at most twice as many: thresholds give nested sets.
    """
    if len(networks) != len(importances) or len(importances) < 2:
        raise UsageError(
            f"the protocol takes two images or more, each with its network and importances; got {len(networks)} "
            f"networks and {len(importances)} rows of importances"
        )
    sums = [None] * len(importances) if totals is None else totals
    of_each = [()] * len(importances) if sets is None else sets
    table: list[list[PartScores]] = []  # images x thresholds
    for logits, importance, total, own in zip(networks, importances, sums, of_each, strict=True):
        asked = logits if isinstance(logits, Remembered) else Remembered(logits)
        table.append([part_scores(asked, importance, float(share), total=total, sets=own) for share in thresholds])
    odd, even = _best(table[1::2]), _best(table[::2])
    scored = [row[even if place % 2 else odd] for place, row in enumerate(table)]
    return PartsReport(
        thresholds=(float(thresholds[odd]), float(thresholds[even])),
        **{name: np.array([getattr(one, name) for one in scored]) for name in _NAMES},
    )


_NAMES = ("preserved", "deleted", "distracted", "ordered", "sufficient")


def _best(table: list[list[PartScores]]) -> int:
    """Which threshold has the best mean of CSDC, PC and DC, and of D, over the images where each applies."""
    columns = {name: np.array([[getattr(one, name) for one in row] for row in table]) for name in _NAMES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a score may apply to no image
        csdc, preserved, deleted, distracted = (
            np.nanmean(columns[name], 0) for name in ("sufficient", "preserved", "deleted", "distracted")
        )
    return int(np.argmax(completeness_score(csdc, preserved, deleted, np.nan_to_num(distracted))))


def target_sensitivity(importances: Float[np.ndarray, "2 2"], falls: Float[np.ndarray, "2 2"] | None = None) -> float:
    """Return whether two maps of one image, of two classes, each favour the parts of their own class.

    The mean of two answers: whether class 0's map gives the parts of class 0 more than class 1's map does, and class
    1's map those of class 1 more than class 0's. NaN where removal does not bear out that the parts are the classes'.

    Args:
        importances: Row a is the map of class a, column b the importance it gives to the parts of class b.
        falls: Row a, column b: how much class a's logit falls as the parts of class b go. Not checked where not given.

    Source: Hesse, Schaub-Meyer, Roth 2023, section 4.3.
    """
    if falls is not None and not (falls[0, 0] > falls[0, 1] and falls[1, 1] > falls[1, 0]):
        return float("nan")
    own = (importances[0, 0] > importances[1, 0], importances[1, 1] > importances[0, 1])
    return float(np.mean(own))
