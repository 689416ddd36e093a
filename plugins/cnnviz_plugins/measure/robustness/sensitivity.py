"""Sensitivity: how much the map changes when the image is shaken a little (Yeh et al. 2019, Bhatt et al. 2020)."""

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Model
from cnnviz_plugins.measure.options.robustness import AvgSensitivityConfig
from cnnviz_plugins.measure.plugin import MaxSensitivityConfig
from cnnviz_plugins.measure.robustness.copies import drawn, flat, over_copies


def max_sensitivity(config: MaxSensitivityConfig, model: Model) -> HostMetric:
    """Return the measure: the largest ||map(x + d) - map(x)|| / ||map(x)|| over random d with |d| <= radius.

    The norms are over the map as the technique gives it. `curve` has every copy's number. Where the map is all zero
    the change itself is returned. A technique with noise of its own keeps that noise.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations per image.
    Source: Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, definition 2.2.
    """
    return _sensitivity(config, largest=True)


def avg_sensitivity(config: AvgSensitivityConfig, model: Model) -> HostMetric:
    """Return the measure: the mean of what `max_sensitivity` returns the largest of.

    Randomness: copy i of an image uses fold_in(image's key, i), as in max-sensitivity.
    Cost: `samples` explanations per image.
    Source: Bhatt, Weller, Moura 2020, definition 1; dividing by the map's norm is Yeh et al.'s, named by Quantus.
    """
    return _sensitivity(config, largest=False)


def _sensitivity(config: MaxSensitivityConfig | AvgSensitivityConfig, *, largest: bool) -> HostMetric:
    def change(case: HostCase, number: int) -> Float[np.ndarray, "n h w c"]:
        shaken: np.ndarray = case.images + shakes(case, number, config.radius)
        return shaken

    def compare(case: HostCase, copies: np.ndarray, maps: np.ndarray) -> Float[np.ndarray, " n"]:
        return relative_change(case.target.raw, maps)

    return over_copies(config.samples, change, compare, largest=largest, axis="shaken copy")


def relative_change(before: Float[jax.Array | np.ndarray, "n ..."], after: Float[np.ndarray, "n ..."]) -> np.ndarray:
    """Return ||after - before|| / ||before|| of each image; the change itself where `before` is all zero."""
    norm = np.linalg.norm(flat(before), axis=1)
    change: np.ndarray = np.linalg.norm(flat(after) - flat(before), axis=1) / np.where(norm > 0, norm, 1.0)
    return change


def shakes(case: HostCase, number: int, radius: float) -> Float[np.ndarray, "n h w c"]:
    """Return what copy `number` of every image is shaken by: uniform in [-radius, radius)."""
    return drawn(case, number, lambda key, shape: jax.random.uniform(key, shape, minval=-radius, maxval=radius))
