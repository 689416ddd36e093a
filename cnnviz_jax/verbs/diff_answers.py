"""How two networks answer, gathered image by image in one pass."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.engine.observation import Observed
from cnnviz_jax.errors import TargetError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.difference import Answers
from cnnviz_jax.similarity.answers import divergence, flips_of, most_changed, softmax
from cnnviz_jax.similarity.reliability import Confidence, calibration_of, confidence

_TOP = 5


class Gathered:
    """What the two networks answer about the images seen so far."""

    def __init__(self, dataset: Dataset, a: Model, b: Model) -> None:
        self.dataset = dataset
        classes = [_classes(model) for model in (a, b)]
        self.reason = ""
        if 0 in classes:
            self.reason = f"{(a, b)[classes.index(0)].name} has no class scores"
        elif classes[0] != classes[1]:
            self.reason = f"{a.name} scores {classes[0]} classes and {b.name} {classes[1]}"
        named = a if a.labels is not None else b
        self.classes = tuple(named.class_name(k).partition(" ")[2] or str(k) for k in range(classes[0]))
        self.ids: list[Int[np.ndarray, " b"]] = []
        self.labels: list[Int[np.ndarray, " b"]] = []
        self.divergence: list[Float[np.ndarray, " b"]] = []
        self.confidence: tuple[list[Confidence], list[Confidence]] = ([], [])
        self.top: list[Int[np.ndarray, "b 2 t"]] = []
        self.probabilities: list[Float[np.ndarray, "b 2 t"]] = []

    def add(self, block: Observed) -> None:
        """Add the answers about some more images.

        Raises:
            UsageError: A label is none of the classes.
        """
        if self.reason:
            return
        logits = [np.asarray(each, np.float64) for each in block.logits if each is not None]
        if block.labels.max() >= len(self.classes):
            raise UsageError(f"labels are one of {len(self.classes)} classes, got {int(block.labels.max())}")
        self.ids.append(block.ids)
        self.labels.append(block.labels)
        self.divergence.append(divergence(logits[0], logits[1]))
        for side, each in zip(self.confidence, logits, strict=True):
            side.append(confidence(each, block.labels))
        order = [np.argsort(-each, axis=1, kind="stable")[:, :_TOP] for each in logits]
        shares = [np.take_along_axis(softmax(each), best, 1) for each, best in zip(logits, order, strict=True)]
        self.top.append(np.stack(order, 1))
        self.probabilities.append(np.stack(shares, 1).astype(np.float32))

    def finish(self, bins: int, shown: int) -> Answers | None:
        """Return the answers compared; `None`, with a `reason`, where the classes are not the same number."""
        if self.reason:
            return None
        ids, labels, apart = (np.concatenate(each) for each in (self.ids, self.labels, self.divergence))
        sides = [
            Confidence(
                **{
                    each.name: np.concatenate([getattr(part, each.name) for part in side])
                    for each in dataclasses.fields(Confidence)
                }
            )
            for side in self.confidence
        ]
        best = [side.best for side in sides]
        order = most_changed(apart)
        first = order[:shown]
        is_labelled = bool((labels >= 0).any())
        return Answers(
            divergence=_by_number(apart, ids, len(self.dataset), np.nan),
            images=ids[order],
            best_a=_by_number(best[0], ids, len(self.dataset), -1),
            best_b=_by_number(best[1], ids, len(self.dataset), -1),
            churn=float((best[0] != best[1]).mean()),
            classes=self.classes,
            labels=_by_number(labels, ids, len(self.dataset), -1),
            flips=flips_of(best[0], best[1], labels) if is_labelled else None,
            calibration=(calibration_of(sides[0], labels, bins=bins), calibration_of(sides[1], labels, bins=bins))
            if is_labelled
            else None,
            per_class=_per_class(best[0], best[1], labels, len(self.classes)),
            shown=_images(self.dataset, ids[first]),
            names=tuple(self.dataset.source.name(int(i)) for i in ids[first]),
            top_classes=np.concatenate(self.top)[first],
            top_probabilities=np.concatenate(self.probabilities)[first],
        )


def _classes(model: Model) -> int:
    try:
        return model.class_count
    except TargetError:
        return 0


def _by_number(values: np.ndarray, ids: Int[np.ndarray, " m"], count: int, fill: float) -> np.ndarray:
    found = np.full(count, fill, values.dtype)
    found[ids] = values
    return found


def _images(dataset: Dataset, ids: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k h w c"]:
    if not len(ids):
        return np.zeros((0, 1, 1, 1), np.float32)
    return np.stack([np.asarray(dataset.image(int(i)), np.float32) for i in ids])


def _per_class(
    before: Int[np.ndarray, " n"], after: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"], classes: int
) -> Float[np.ndarray, "classes 6"]:
    """Return images, both accuracies, negative and positive flips, and churn, by label."""
    table = np.full((classes, 6), np.nan)
    for k in range(classes):
        own = labels == k
        table[k, 0] = own.sum()
        if own.any():
            was, now = before[own] == k, after[own] == k
            churned = before[own] != after[own]
            table[k, 1:] = [each.mean() for each in (was, now, was & ~now, ~was & now, churned)]
    return table
