"""Calibration: whether a network is right as often as it is sure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.answers import Logits, softmax


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Confidence, the probability of the best class, against accuracy, in bins of equal width."""

    edges: Float[np.ndarray, " e"]
    """Borders of the bins, from 0 to 1; a bin holds its upper border."""
    count: Int[np.ndarray, " bins"]
    """Images."""
    confidence: Float[np.ndarray, " bins"]
    """Mean confidence; nan where there is no image."""
    accuracy: Float[np.ndarray, " bins"]
    """Share of images that are right; nan where there is none."""
    brier: float
    """Mean over images of the squared distance of the probabilities from the truth, 0 to 2."""
    nll: float
    """Mean negative log-likelihood of the truth, in nats."""

    @property
    def gap(self) -> Float[np.ndarray, " bins"]:
        """Confidence less accuracy: above 0 the network is too sure; 0 where there is no image."""
        return np.where(self.count > 0, self.confidence - self.accuracy, 0.0)

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean size of the gap over images."""
        return float((np.abs(self.gap) * self.count).sum() / self.count.sum())

    @property
    def mce(self) -> float:
        """Maximum calibration error: the largest gap of any bin."""
        return float(np.abs(self.gap).max())


def calibration(logits: Logits, labels: Int[Array | np.ndarray, "..."], *, bins: int = 15) -> Calibration:
    """Return how a network's confidence compares with its accuracy; images of label -1 are left out.

    Raises:
        UsageError: The labels do not fit, or no image has one.

    Source: Guo et al. 2017, section 2.
    """
    truth = np.asarray(labels)
    known = truth >= 0
    if truth.shape != np.shape(logits)[:1] or not known.any() or truth.max() >= np.shape(logits)[-1]:
        raise UsageError(
            f"labels are one of {np.shape(logits)[-1]} classes for each of {len(logits)} images, got shape "
            f"{truth.shape}" + (f" up to {truth.max()}" if truth.size else "")
        )
    if bins < 1:
        raise UsageError(f"bins is 1 or more, got {bins}")
    table, truth = np.asarray(logits, np.float64)[known], truth[known]
    shares = softmax(table)
    sure, right = shares.max(1), table.argmax(1) == truth
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    of_truth = np.take_along_axis(shares, truth[:, None], 1)[:, 0]
    with np.errstate(invalid="ignore"):
        return Calibration(
            edges=np.arange(bins + 1) / bins,
            count=count,
            confidence=np.bincount(place, sure, bins) / np.where(count, count, np.nan),
            accuracy=np.bincount(place, right.astype(np.float64), bins) / np.where(count, count, np.nan),
            brier=float(((shares**2).sum(1) - 2 * of_truth + 1).mean()),
            nll=float(-np.log(np.maximum(of_truth, np.finfo(np.float64).tiny)).mean()),
        )
