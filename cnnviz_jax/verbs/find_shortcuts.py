"""`cv.find_shortcuts`: features that a class stands or falls with, and whether they lie on the object at all."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int

from cnnviz_jax.data.given import Images, check_images
from cnnviz_jax.engine import Progress, as_callable
from cnnviz_jax.engine.dictionary.falling import Falls, falls_of
from cnnviz_jax.engine.dictionary.removal import Shown
from cnnviz_jax.engine.erasing import painted_out
from cnnviz_jax.engine.object_places import places_outside, quarter_field, seen_at
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.codes import code_layer
from cnnviz_jax.model.model import Model, require_model
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.provenance import Call, Provenance
from cnnviz_jax.results.shortcuts import Shortcuts
from cnnviz_jax.verbs.outermost import verb

_CHANCE = 0.01
"""An alarm's p-value, over all classes together, lies below this."""


@verb
def find_shortcuts(
    model: Model,
    dictionary: Dictionary,
    images: Images,
    labels: Any,
    *,
    mask: Any = None,
    layer: str | None = None,
    candidates: int = 12,
    most: int = 3,
    margin_px: float | None = None,
    loss: float = 0.25,
    progress: Progress | bool | None = None,
) -> Shortcuts:
    """Return, class by class, the features whose removal costs most of its accuracy, the class that loses most first.

    The images are the data as they are, with whatever a network could have learned from in place of the object: held
    out from training, but not cleaned. Features are chosen on every second image of a class by what their removal does
    to the label's margin, one after the other, as sets; what the sets cost is counted on the other images.

    A class that falls without its features may be no more than a class that has features. With `mask`, features are
    chosen and removed outside of the object alone, and no more of them than is there once the object is painted out:
    units beside an object see it. An alarm is raised for a class that needs what is no part of its object, and for
    which that is enough: it loses at least `loss` of its images without those features, and with the object painted out
    at least `loss` more of its images than of the others' are still named so, not by chance (p < 0.01 over all
    classes). Classes are in the order of the smaller of the two. Without `mask` the order of what they lose is all
    there is, and no alarm is raised.

    Args:
        model: From `cv.adapt` or `cv.load_model`.
        dictionary: From `cv.learn_dictionary` or `cv.load`, learned from such images.
        images: Images (n, h, w, c) in [0, 1].
        labels: The class of each, as the data set says it; -1 where unknown.
        mask: True on the object, (n, h, w).
        layer: Where the dictionary's values are, for one that was learned from rows.
        candidates: Features that are removed for each class: those of the largest gradient shares.
        most: Features of a set, at most.
        margin_px: How far from the object a place of the layer lies, in pixels, to count as outside; a quarter of what
            a unit sees when not given, for units that look beside the object see it.
        loss: Share of a class's images that must be lost, and named so without the object, for an alarm.
        progress: Called as `progress(done, total, what)`.
            Where not given, a bar on a terminal and in a notebook; `False` for none, `True` for one anywhere.

    Raises:
        CnnvizError: A subclass says which of image, label, mask, layer or number does not fit, and what would.

    Cost: two forward passes and one backward pass per image; from the layer on, `candidates` x `most` forward passes
        for half of the images and as many as there are classes for the other. Memory: the layer's values of all images.

    Randomness: none.

    Source: Singla, Feizi 2022, arXiv:2110.04301 (features that are no part of the object); Marks et al. 2024,
    arXiv:2403.19647, section 4 (their removal).
    """
    require_model(model)
    if min(candidates, most) < 1 or not 0 < loss <= 1 or (margin_px is not None and margin_px < 0):
        raise UsageError(
            "candidates and most are 1 or more, loss lies above 0 and is 1 at most, margin_px is 0 or more; "
            f"got {candidates}, {most}, {loss} and {margin_px}"
        )
    place = code_layer(dataclasses.replace(model, codes=()).layers, model.name, dictionary, layer=layer)
    row = model.layers[place.layer]
    images = np.asarray(check_images(images, model.input_shape))
    given = _labels(labels, len(images), model.class_count)
    margin = quarter_field(row) if margin_px is None else float(margin_px)
    outside = None if mask is None else places_outside(mask, row, images.shape[:3], margin)
    erased = images if mask is None else painted_out(images, np.asarray(mask) > 0.5)
    found = falls_of(
        place, model, Shown(images, given, outside, erased),
        candidates=candidates, most=most, progress=as_callable(progress),
    )  # fmt: skip
    # Of equals the class whose margin fell further comes first.
    order = sorted(range(len(found)), key=lambda k: (-round(_weight(found[k], mask), 6), -found[k].margin_lost))
    ordered = [found[k] for k in order]
    config = {"candidates": candidates, "most": most, "margin_px": margin_px, "loss": loss}
    call = Call.of({"layer": layer}, {"dictionary": dictionary, "images": images, "labels": labels, "mask": mask})
    told = [] if mask is not None else ["without mask= a feature of the class is not told from a shortcut: no alarms"]

    def stacked(name: str) -> np.ndarray:
        return np.stack([np.asarray(getattr(each, name)) for each in ordered])

    return Shortcuts(
        layer=place.layer,
        classes=tuple(_name(model, each) for each in ordered),
        labels=stacked("label"),
        features=stacked("features"),
        accuracy=stacked("accuracy"),
        without=stacked("everywhere"),
        outside=None if outside is None else stacked("outside"),
        margin_lost=stacked("margin_lost"),
        others=stacked("others"),
        others_without=stacked("others_without"),
        p_value=stacked("p_value"),
        erased=stacked("erased"),
        erased_others=stacked("erased_others"),
        p_erased=stacked("p_erased"),
        is_alarm=np.array(
            [mask is not None and _weight(each, mask) >= loss and each.p_erased < _CHANCE for each in ordered]
        ),
        ids=stacked("ids"),
        boxes=np.stack([seen_at(row, each.places, images.shape[1:3]) for each in ordered]),
        images=images[stacked("ids")],
        image_count=len(images),
        held_out_count=sum(each.count for each in ordered),
        provenance=Provenance.of("find_shortcuts", model, config, layer=place.layer, call=call),
        warnings=tuple(dict.fromkeys((*model.warnings, *told))),
    )


def _weight(found: Falls, mask: Any) -> float:
    """Return how much a class rests on what is no part of its object: what it loses, and what is enough for it."""
    others = 0.0 if np.isnan(found.erased_others) else found.erased_others
    return found.lost if mask is None else min(found.lost, found.erased - others)


def _name(model: Model, found: Falls) -> str:
    return model.class_name(found.label).partition(" ")[2] or str(found.label)


def _labels(labels: Any, count: int, classes: int) -> Int[np.ndarray, " n"]:
    found = np.asarray(labels)
    if found.shape != (count,) or found.dtype.kind not in "iu" or found.max() >= classes:
        raise UsageError(
            f"labels are one of {classes} classes, or -1, for each of {count} images; got {found.dtype} {found.shape}"
        )
    return found.astype(np.int32)  # as programs take them
