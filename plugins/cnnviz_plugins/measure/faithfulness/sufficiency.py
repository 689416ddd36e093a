"""Sufficiency: whether images with similar maps are predicted alike (Dasgupta et al. 2022)."""

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import HostCase, HostMetric, Model
from cnnviz_plugins.measure.classes_alike import among_likes, share_alike
from cnnviz_plugins.measure.options.faithfulness import SufficiencyConfig


def sufficiency(config: SufficiencyConfig, model: Model) -> HostMetric:
    """Return the measure: among the other images whose map is near, the share that has the same top class.

    Maps are |map| over its maximum, one number per pixel. Their distance is Euclidean, each pixel over its standard
    deviation among the maps (scipy's `seuclidean`, Quantus' default), and near is up to `threshold` of the largest
    distance. An image without a near one is undefined; in Quantus it scores 0.

    Cost: one forward pass per image.
    Source: Dasgupta, Frost, Moshkovitz 2022, section 3.
    """

    def shares(case: HostCase, classes: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        heat = np.abs(np.asarray(case.target.heat, np.float64)).reshape(len(case.images), -1)
        return sufficiencies(heat, classes, config.threshold)

    return among_likes(shares, undefined="no other image has a map as near")


def sufficiencies(
    heat: Float[np.ndarray, "n p"], classes: Int[np.ndarray, " n"], threshold: float
) -> Float[np.ndarray, " n"]:
    """Return the share of each image's near ones that has its class; NaN where none is near.

    Args:
        heat: Absolute maps.
        classes: Each image's top class.
        threshold: What is near, as a share of the largest distance.
    """
    top = heat.max(1, keepdims=True)
    heat = heat / np.where(top > 0, top, 1)
    spread = heat.std(0, ddof=1) if len(heat) > 1 else np.zeros(heat.shape[1])
    # A pixel that is the same in all maps tells none apart.
    scaled = heat / np.where(spread > 0, spread, 1)
    squares = (scaled**2).sum(1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * scaled @ scaled.T, 0))
    np.fill_diagonal(distance, 0)
    largest = distance.max()
    near = distance <= threshold * largest if largest > 0 else np.ones_like(distance, bool)
    np.fill_diagonal(near, val=False)
    return share_alike(near, classes)
