"""Random logit: how alike the map of another class is (Sixt et al. 2020)."""

import jax
import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter

from cnnviz_jax.plugin import ClassScore, HostCase, HostMetric, Measured, Model, UsageError, targets
from cnnviz_plugins.measure.options.randomization import RandomLogitConfig

_WINDOW = 7


def random_logit(config: RandomLogitConfig, model: Model) -> HostMetric:
    """Return the measure: structural similarity of the map with that of another class, drawn for each image.

    `extras` has the `other` class.

    Randomness: the class of an image is drawn with its key.
    Cost: one explanation per image.
    Source: Sixt, Granz, Landgraf 2020; the similarity is Wang et al. 2004, with uniform windows of 7 x 7 pixels.

    Raises:
        UsageError: Images are smaller than 3 x 3 pixels.
    """

    if min(model.input_shape[:2]) < 3:
        raise UsageError(f"random-logit compares windows of 3 pixels and more; images are {model.input_shape[:2]}")

    def run(case: HostCase) -> Measured:
        inner = case.target.inner
        if not isinstance(inner, ClassScore) or case.model.class_count < 2:
            raise UsageError("random-logit compares with another class; explain a class of two or more")
        own = np.asarray(inner.index)
        seeds = np.asarray(jax.random.key_data(case.keys), np.uint32)
        drawn = np.asarray(
            [np.random.default_rng(seed).integers(case.model.class_count - 1) for seed in seeds.tolist()]
        )
        other = drawn + (drawn >= own)  # every class but the image's own, with the same probability
        heat, _ = case.again(target=targets.class_score(other.astype(np.int32), inner.of))
        maps = [np.asarray(each, np.float64) for each in (case.target.heat, heat)]
        if config.convention == "quantus":
            maps = [each.reshape(len(each), -1) for each in maps]
        found = np.asarray([similarity(*pair) for pair in zip(*maps, strict=True)], np.float32)
        return Measured(values=found, extras={"other": other.astype(np.int32)})

    return HostMetric(run=run, better="lower")


def similarity(one: Float[np.ndarray, "*axes"], other: Float[np.ndarray, "*axes"]) -> float:
    """Return the mean structural similarity of two maps or rows, over windows inside them.

    Windows are 7 long along each axis, or the largest odd number that fits; variances are those of samples; the range
    of values is that of both together, as scikit-image does it. Two equal constant maps are alike: 1. An axis is 3
    or longer.
    """
    size = min(_WINDOW, *(axis - (axis + 1) % 2 for axis in one.shape))
    span = max(one.max(), other.max()) - min(one.min(), other.min())
    if span == 0:
        return 1.0
    count = size**one.ndim
    mean = [uniform_filter(each, size) for each in (one, other)]
    spread = [
        count / (count - 1) * (uniform_filter(a * b, size) - c * d)
        for a, b, c, d in ((one, one, mean[0], mean[0]), (other, other, mean[1], mean[1]), (one, other, *mean))
    ]
    first, second = (0.01 * span) ** 2, (0.03 * span) ** 2
    above = (2 * mean[0] * mean[1] + first) * (2 * spread[2] + second)
    below = (mean[0] ** 2 + mean[1] ** 2 + first) * (spread[0] + spread[1] + second)
    inside = tuple(slice(size // 2, axis - size // 2) for axis in one.shape)
    return float((above / below)[inside].mean())
