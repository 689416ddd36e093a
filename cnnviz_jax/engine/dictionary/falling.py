"""What each class loses without the features that it rests on, counted on images they were not chosen on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import binomtest

from cnnviz_jax.engine.dictionary.removal import (
    Images,
    Looked,
    Shown,
    codes_of,
    deciding,
    looked,
    margins_on_host,
    without,
)
from cnnviz_jax.engine.progress import stage
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.codes import CodeLayer
from cnnviz_jax.model.model import Model
from cnnviz_jax.progress.bars import Progress, silent

_LEAST = 4
"""Images of a class, in each half, below which it is left out."""
_EXEMPLARS = 4


@dataclass(frozen=True, kw_only=True)
class Falls:
    """One class without its features."""

    label: int
    count: int
    """Images that the numbers are of."""
    features: Int[np.ndarray, " most"]
    accuracy: float
    everywhere: Float[np.ndarray, " most"]
    """Accuracy without the first, the first two and so on."""
    outside: Float[np.ndarray, " most"]
    """The same with them removed outside of the object only; everywhere where nothing says what is outside."""
    margin_lost: float
    """By how much the label's margin falls without the whole set, outside; mean over images."""
    others: float
    """Accuracy of the images of other classes; nan where there are none."""
    others_without: float
    p_value: float
    """Of a sign test over the images that change sides, times the classes, at most 1."""
    erased: float
    """Share of its images that are named so with the object painted out."""
    erased_others: float
    """The same of the other classes' images: what the class is named without any cause; nan where there are none."""
    p_erased: float
    """That so many of its images or more are named so at the others' rate, times the classes, at most 1."""
    ids: Int[np.ndarray, " m"]
    """Images in which the first feature is strongest."""
    places: Int[np.ndarray, "m 2"]
    """Where it is."""

    @property
    def lost(self) -> float:
        """Accuracy lost without the whole set, outside."""
        return self.accuracy - float(self.outside[-1])


def falls_of(
    place: CodeLayer,
    model: Model,
    shown: Shown,
    *,
    candidates: int,
    most: int,
    progress: Progress = silent,
) -> list[Falls]:
    """Return what each class loses, classes with too few images left out.

    Args:
        place: The codec and the layer that it stands for.
        model: The model.
        shown: The images, their label -1 where unknown; features are chosen and removed at the places outside of
            their objects.
        candidates: Features that are removed for each class.
        most: Features of a set.
        progress: Called as `progress(done, total, "classes")`.

    Raises:
        UsageError: No class has enough images.

    Cost: see `looked`, `deciding` and `without`.
    """
    images, labels, outside, _ = shown
    own = {k: np.flatnonzero(labels == k) for k in range(model.class_count)}
    own = {k: rows for k, rows in own.items() if len(rows) >= 2 * _LEAST}
    if not own:
        raise UsageError(f"no class has {2 * _LEAST} images; half of them choose features, the others count the cost")
    # Images of no known class are looked at as of class 0, and none of their rows is read below.
    seen = looked(place, model, shown._replace(labels=np.maximum(labels, 0)))
    sets: dict[int, Int[np.ndarray, " most"]] = {}
    for k, rows in own.items():
        # One half chooses features, the other counts the loss, which would come out too large on the images that chose
        # them. Every second image, as a folder's halves may differ in kind.
        first = rows[::2]
        places = None if outside is None else outside[first]
        sets[k] = deciding(place, model, images[first], k, seen.part(first), places, candidates=candidates, most=most)
        stage(progress, 0, 2, "classes")(len(sets), len(own), "classes")
    held_out = np.sort(np.concatenate([rows[1::2] for rows in own.values()]))
    union, columns = np.unique(np.concatenate(list(sets.values())), return_inverse=True)
    own_seen = seen.part(held_out)
    codes = codes_of(place.codec, own_seen, union, None)
    apart = _Apart(
        layer=place.layer, model=model, images=images[held_out], labels=labels[held_out], seen=own_seen, codes=codes,
        beside=codes if outside is None else codes_of(place.codec, own_seen, union, outside[held_out]),
        directions=np.asarray(place.codec.directions)[union], numbers=held_out,
    )  # fmt: skip
    found: list[Falls] = []
    for k, own_columns in zip(sets, np.split(columns, len(sets)), strict=True):
        found.append(_fall(apart, k, sets[k], own_columns, len(sets)))
        stage(progress, 1, 2, "classes")(len(found), len(sets), "classes")
    return found


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """The images held out, and all that their removals need."""

    layer: str
    model: Model
    images: Images
    labels: Int[np.ndarray, " n"]
    seen: Looked
    codes: Float[np.ndarray, "n ... m"]
    beside: Float[np.ndarray, "n ... m"]
    """The part of the codes that is no object's; the codes themselves where nothing says what is."""
    directions: Float[np.ndarray, "m c"]
    numbers: Int[np.ndarray, " n"]

    def logits(
        self, which: Bool[np.ndarray, " n"], removed: Bool[np.ndarray, "sets m"], codes: Float[np.ndarray, "n ... m"]
    ) -> Float[np.ndarray, "sets k classes"]:
        """Return the logits of some of the images without each set."""
        values = self.seen.own.values[which]
        return without(self.layer, self.model, self.images[which], values, codes[which], self.directions, removed)


def _fall(
    apart: _Apart, label: int, features: Int[np.ndarray, " most"], columns: Int[np.ndarray, " most"], classes: int
) -> Falls:
    """Return what one class loses; `columns` says where its features are among the codes."""
    removed = np.zeros((len(columns), apart.codes.shape[-1]), bool)
    # Set k lacks the first k + 1 features: of columns 4 and 1 the sets are {4} and {4, 1}.
    for place, column in enumerate(columns):
        removed[place:, column] = True
    is_own = apart.labels == label
    right = apart.seen.own.logits.argmax(1) == apart.labels
    own = np.full(int(is_own.sum()), label)
    all_gone = apart.logits(is_own, removed, apart.codes)
    gone = all_gone if apart.beside is apart.codes else apart.logits(is_own, removed, apart.beside)
    before, after = right[is_own], gone.argmax(2) == label
    # McNemar's exact test: an image that stays right or wrong says nothing, and by chance one that changes sides gets
    # worse as often as better. Of 9 that change, 8 get worse: p = (9 + 1) / 2**9 = 0.02. Times the classes: Bonferroni.
    worse, better = int((before & ~after[-1]).sum()), int((~before & after[-1]).sum())
    chance = binomtest(worse, worse + better, alternative="greater").pvalue if worse + better else 1.0
    others, others_without = float("nan"), float("nan")
    if (~is_own).any():
        rest = apart.logits(~is_own, removed[-1:], apart.beside)[0].argmax(1)
        others, others_without = float(right[~is_own].mean()), float((rest == apart.labels[~is_own]).mean())
    named = apart.seen.erased.logits.argmax(1) == label
    rate = float(named[~is_own].mean()) if (~is_own).any() else float("nan")
    kept = int(named[is_own].sum())
    # A rate of 0 would make one image certain: the others are counted with one more that is named so.
    base = (named[~is_own].sum() + 1) / ((~is_own).sum() + 2)
    fell = margins_on_host(apart.seen.own.logits[is_own], own) - margins_on_host(gone[-1], own)
    strength = apart.beside[is_own][..., columns[0]]
    grid = strength.shape[1:] if strength.ndim == 3 else (1, 1)
    strength = strength.reshape(len(own), -1)
    rows = np.argsort(-strength.max(1), kind="stable")[:_EXEMPLARS]
    return Falls(
        label=label,
        count=len(own),
        features=features,
        accuracy=float(before.mean()),
        everywhere=(all_gone.argmax(2) == label).mean(1),
        outside=after.mean(1),
        margin_lost=float(fell.mean()),
        others=others,
        others_without=others_without,
        p_value=min(1.0, float(chance) * classes),
        erased=float(named[is_own].mean()),
        erased_others=rate,
        p_erased=min(1.0, float(binomtest(kept, len(own), base, alternative="greater").pvalue) * classes),
        ids=apart.numbers[is_own][rows],
        places=np.stack(np.unravel_index(strength[rows].argmax(1), grid), 1),
    )
