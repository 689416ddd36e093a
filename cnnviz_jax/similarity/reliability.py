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


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What a network answers about each image, and how sure it is."""

    best: Int[np.ndarray, " n"]
    """The best class; the lower of equal ones."""
    probability: Float[np.ndarray, " n"]
    """Of that class."""
    brier: Float[np.ndarray, " n"]
    """Squared distance of the probabilities from the truth; nan without a label."""
    nll: Float[np.ndarray, " n"]
    """Negative log-likelihood of the truth; nan without a label."""


def confidence(logits: Logits, labels: Int[Array | np.ndarray, "..."]) -> Confidence:
    """Return each image's best class and its probability, and how far the truth is; label -1 is unknown."""
    truth = np.asarray(labels)
    shares = softmax(logits)
    of_truth = np.take_along_axis(shares, np.maximum(truth, 0)[:, None], 1)[:, 0]
    tiny = np.finfo(np.float64).tiny
    return Confidence(
        best=np.asarray(logits).argmax(1),
        probability=shares.max(1),
        brier=np.where(truth >= 0, (shares**2).sum(1) - 2 * of_truth + 1, np.nan),
        nll=np.where(truth >= 0, -np.log(np.maximum(of_truth, tiny)), np.nan),
    )


def calibration(logits: Logits, labels: Int[Array | np.ndarray, "..."], *, bins: int = 15) -> Calibration:
    """Return how a network's confidence compares with its accuracy; images of label -1 are left out.

    Raises:
        UsageError: The labels do not fit, or no image has one.

    Source: Guo et al. 2017, section 2.
    """
    truth = np.asarray(labels)
    if truth.shape != np.shape(logits)[:1] or not (truth >= 0).any() or truth.max() >= np.shape(logits)[-1]:
        raise UsageError(
            f"labels are one of {np.shape(logits)[-1]} classes for each of {len(logits)} images, got shape "
            f"{truth.shape}" + (f" up to {truth.max()}" if truth.size else "")
        )
    return calibration_of(confidence(logits, truth), truth, bins=bins)


def calibration_of(answers: Confidence, labels: Int[np.ndarray, " n"], *, bins: int = 15) -> Calibration:
    """Return the calibration of answers that were gathered before.

    Raises:
        UsageError: `bins` is below 1.
    """
    if bins < 1:
        raise UsageError(f"bins is 1 or more, got {bins}")
    known = labels >= 0
    sure, right = answers.probability[known], answers.best[known] == labels[known]
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    seen = np.where(count, count, np.nan)
    return Calibration(
        edges=np.arange(bins + 1) / bins,
        count=count,
        confidence=np.bincount(place, sure, bins) / seen,
        accuracy=np.bincount(place, right.astype(np.float64), bins) / seen,
        brier=float(answers.brier[known].mean()),
        nll=float(answers.nll[known].mean()),
    )
