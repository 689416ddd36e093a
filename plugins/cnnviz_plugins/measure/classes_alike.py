"""Which class each image has, and how many images like it have the same: for measures that ask whether likes agree."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model

Shares = Callable[[HostCase, Int[np.ndarray, " n"]], Float[np.ndarray, " n"]]


def among_likes(shares: Shares, *, undefined: str) -> HostMetric:
    """Return the measure: of the images whose maps are like an image's, the share that has its top class.

    Args:
        shares: Returns that share for each image, from what the caller gave and each image's top class.
        undefined: What is said where no map is alike.
    """

    def run(case: HostCase) -> Measured:
        return Measured(values=shares(case, best_classes(case.model, case.images)).astype(np.float32))

    return HostMetric(run=run, better="higher", undefined=undefined)


def best_classes(model: Model, images: Float[np.ndarray, "n h w c"]) -> Int[np.ndarray, " n"]:
    """Return the class of the highest score, of a map of scores that of their mean.

    Cost: one forward pass per image.
    """
    outputs = np.asarray(model(images), np.float64)
    best: Int[np.ndarray, " n"] = outputs.reshape(len(outputs), -1, outputs.shape[-1]).mean(1).argmax(-1)
    return best


def share_alike(near: Bool[np.ndarray, "n n"], classes: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the share of each image's near ones that has its class; NaN where none is near."""
    count = near.sum(1)
    alike = (near & (classes[:, None] == classes[None])).sum(1)
    return np.where(count > 0, alike / np.maximum(count, 1), np.nan)
