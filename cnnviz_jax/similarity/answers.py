"""Predictions that differ between two networks: image by image, and as counts of flips."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.errors import UsageError

Divergence = Literal["js", "total_variation", "kl"]
"""`js`: Jensen-Shannon in nats, 0 to ln 2. `total_variation`: 0 to 1. `kl`: of the new given the old, in nats."""
Logits = Float[Array | np.ndarray, "..."]


def softmax(logits: Logits) -> Float[np.ndarray, "n classes"]:
    """Return probabilities, in float64."""
    table = np.asarray(logits, np.float64)
    raised = np.exp(table - table.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def divergence(old: Logits, new: Logits, kind: Divergence = "js") -> Float[np.ndarray, " n"]:
    """Return how far the two networks' probabilities are apart on each image; 0 where they agree.

    Args:
        old: Logits of one network.
        new: Logits of the other for the same images and classes.
        kind: `kl` is Σ p_old log(p_old / p_new).

    Raises:
        UsageError: The shapes differ, or there is no such divergence.
    """
    _check(old, new)
    p, q = softmax(old), softmax(new)
    if kind == "js":
        middle = (p + q) / 2
        return np.maximum((_relative(p, middle) + _relative(q, middle)) / 2, 0)
    if kind == "total_variation":
        return np.abs(p - q).sum(1) / 2
    if kind == "kl":
        return np.maximum(_relative(p, q), 0)
    raise UsageError(f'kind is "js", "total_variation" or "kl", got {kind!r}')


def _relative(p: Float[np.ndarray, "n k"], q: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    tiny = np.finfo(np.float64).tiny
    return np.where(p > 0, p * (np.log(np.maximum(p, tiny)) - np.log(np.maximum(q, tiny))), 0).sum(1)


def _check(old: Logits, new: Logits) -> None:
    if np.shape(old) != np.shape(new):
        raise UsageError(f"both networks score the same images and classes, got {np.shape(old)} and {np.shape(new)}")


def most_changed(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the numbers of the images, the largest value first; ties go to the lower number."""
    return np.argsort(-np.asarray(values), kind="stable")


def churn(old: Logits, new: Logits) -> float:
    """Return the share of images whose best class differs.

    Source: Milani Fard et al. 2016.
    """
    _check(old, new)
    return float((np.asarray(old).argmax(-1) != np.asarray(new).argmax(-1)).mean())


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Right and wrong before and after."""

    accuracy: tuple[float, float]
    """Of the old network and of the new one."""
    negative: float
    """Share of images right before and wrong now."""
    positive: float
    """Share of images wrong before and right now."""

    @property
    def relative_negative(self) -> float:
        """Negative flips over those of an independent network of the new accuracy; `nan` where there could be none."""
        chance = self.accuracy[0] * (1 - self.accuracy[1])
        return self.negative / chance if chance > 0 else float("nan")


def flips(old: Logits, new: Logits, labels: Int[Array | np.ndarray, "..."]) -> Flips:
    """Return how many images became wrong and how many right; images of label -1 are left out.

    Raises:
        UsageError: The shapes differ, or no image has a label.

    Source: Yan et al. 2021, section 3.
    """
    _check(old, new)
    truth = np.asarray(labels)
    if truth.shape != np.shape(old)[:1] or not (truth >= 0).any():
        raise UsageError(f"labels are one class index for each of {len(old)} images, got shape {truth.shape}")
    return flips_of(np.asarray(old).argmax(-1), np.asarray(new).argmax(-1), truth)


def flips_of(old: Int[np.ndarray, " n"], new: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> Flips:
    """Return the flips from the best classes before and after."""
    known = labels >= 0
    before, after = old[known] == labels[known], new[known] == labels[known]
    return Flips(
        accuracy=(float(before.mean()), float(after.mean())),
        negative=float((before & ~after).mean()),
        positive=float((~before & after).mean()),
    )
