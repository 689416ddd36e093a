"""Relative stability: of the map against that of the image, the logits, or a layer (Agarwal et al. 2022)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Model, capture
from cnnviz_plugins.measure.classes_alike import best_classes
from cnnviz_plugins.measure.options.robustness import (
    RelativeInputStabilityConfig,
    RelativeOutputStabilityConfig,
    RelativeRepresentationStabilityConfig,
)
from cnnviz_plugins.measure.robustness.copies import flat, over_copies
from cnnviz_plugins.measure.robustness.sensitivity import shakes

LEAST = 1e-6
"""In place of a value of exactly 0, and the least denominator (the authors' code)."""


def relative_input_stability(config: RelativeInputStabilityConfig, model: Model) -> HostMetric:
    """Return the measure: the largest ||(A - A') / A|| / max(||(x - x') / x||, 1e-6) over shaken copies.

    Divisions are value by value; one of exactly 0 divides as 1e-6. A copy whose top class is another does not count.
    `curve` has every copy's number, where all count.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations and forward passes per image.
    Source: Agarwal, Johnson, Pawelczyk, Krishna, Saxena, Zitnik, Lakkaraju 2022, definition 1.
    """
    return _stability(config, lambda case, images: relative(case.images, images))


def relative_output_stability(config: RelativeOutputStabilityConfig, model: Model) -> HostMetric:
    """Return the measure: as `relative_input_stability`, over ||z - z'|| of the logits, which is not relative.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations and two forward passes each, per image.
    Source: Agarwal et al. 2022, equation 5.
    """
    return _stability(config, lambda case, images: flat(case.model(case.images)) - flat(case.model(images)))


def relative_representation_stability(config: RelativeRepresentationStabilityConfig, model: Model) -> HostMetric:
    """Return the measure: as `relative_input_stability`, over the relative change of a layer's values.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations and two forward passes each, per image.
    Source: Agarwal et al. 2022, equation 3.

    Raises:
        LayerNotFoundError: There is no such layer.
    """
    layer = model.map_layer().name if config.layer is None else model.layers[config.layer].name

    def change(case: HostCase, images: np.ndarray) -> np.ndarray:
        before, after = (capture(case.model, each, [layer])[layer] for each in (case.images, images))
        return relative(before, after)

    return _stability(config, change, notes=(("layer", layer),))


def _stability(config: Any, below: Callable[[HostCase, np.ndarray], np.ndarray], **record: Any) -> HostMetric:
    def change(case: HostCase, number: int) -> Float[np.ndarray, "n h w c"]:
        shaken: np.ndarray = case.images + shakes(case, number, config.radius)
        return shaken

    def compare(case: HostCase, copies: np.ndarray, maps: np.ndarray) -> Float[np.ndarray, " n"]:
        found = stability(relative(case.target.raw, maps), below(case, copies))
        return np.where(best_classes(case.model, case.images) == best_classes(case.model, copies), found, np.nan)

    undefined = "every shaken copy has another top class"
    return over_copies(config.samples, change, compare, largest=True, axis="shaken copy", undefined=undefined, **record)


def relative(before: Any, after: Any) -> Float[np.ndarray, "n p"]:
    """Return (before - after) / before, value by value; one of exactly 0 divides as 1e-6."""
    one, other = flat(before), flat(after)
    return (one - other) / np.where(one == 0, LEAST, one)


def stability(above: Float[np.ndarray, "n p"], below: Float[np.ndarray, "n q"]) -> Float[np.ndarray, " n"]:
    """Return the norm of one change over that of the other, which counts as 1e-6 at least."""
    found: np.ndarray = np.linalg.norm(above, axis=1) / np.maximum(np.linalg.norm(below, axis=1), LEAST)
    return found
