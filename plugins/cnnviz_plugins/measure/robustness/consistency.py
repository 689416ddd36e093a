"""Consistency: whether images with the same map, made coarse, are predicted alike (Dasgupta et al. 2022)."""

import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import HostCase, HostMetric, Model
from cnnviz_plugins.measure.classes_alike import among_likes, share_alike
from cnnviz_plugins.measure.options.robustness import ConsistencyConfig


def consistency(config: ConsistencyConfig, model: Model) -> HostMetric:
    """Return the measure: among the other images with the same coarse map, the share that has the same top class.

    The coarse map is the signs of the first pixels, of the signed sum over channels. An image whose coarse map no other
    has is undefined; in Quantus it scores 0. Quantus takes absolute values first, which leaves 0 and +.

    Cost: one forward pass per image.
    Source: Dasgupta, Frost, Moshkovitz 2022, section 3; the coarse map is Quantus'.
    """

    def shares(case: HostCase, classes: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        values = np.asarray(case.target.raw).sum(-1).reshape(len(case.images), -1)
        return consistencies(values, classes, config.first)

    return among_likes(shares, undefined="no other image has the same coarse map")


def consistencies(
    values: Float[np.ndarray, "n p"], classes: Int[np.ndarray, " n"], first: int
) -> Float[np.ndarray, " n"]:
    """Return the share of the images with the same first signs that has each one's class; NaN where there is none."""
    signs = np.sign(values[:, :first])
    same = (signs[:, None] == signs[None]).all(-1) & ~np.eye(len(signs), dtype=bool)
    return share_alike(same, classes)
