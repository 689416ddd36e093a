"""Max-sensitivity: how much the map changes when the image is shaken a little (Yeh et al. 2019)."""

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Measured, Model
from cnnviz_plugins.measure.plugin import MaxSensitivityConfig


def max_sensitivity(config: MaxSensitivityConfig, model: Model) -> HostMetric:
    """Return the measure: the largest ||map(x + d) - map(x)|| / ||map(x)|| over random d with |d| <= radius.

    The norms are over the map as the technique gives it. `curve` has every copy's number. Where the map is all zero
    the change itself is returned. A technique with noise of its own keeps that noise.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations per image.
    Source: Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, definition 2.2.
    """

    def run(case: HostCase) -> Measured:
        before = _norm(case.target.raw)
        changes = []
        for number in range(config.samples):
            shaken = np.asarray(case.images + _shakes(case, number, config.radius), np.float32)
            _, after = case.again(images=shaken)
            changes.append(_norm(after - np.asarray(case.target.raw)))
            case.progress(number + 1, config.samples, "explanations")
        curve = np.stack(changes, 1) / np.where(before > 0, before, 1.0)[:, None]
        return Measured(values=curve.max(1), curve=curve)

    at = tuple(float(number) for number in range(config.samples))
    return HostMetric(run=run, better="lower", at=at, axis="shaken copy")


def _norm(maps: Float[jax.Array | np.ndarray, "n h w c"]) -> Float[np.ndarray, " n"]:
    return np.linalg.norm(np.asarray(maps, np.float64).reshape(len(maps), -1), axis=1).astype(np.float32)


def _shakes(case: HostCase, number: int, radius: float) -> Float[np.ndarray, "n h w c"]:
    shape = case.images.shape[1:]

    def one(key: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, number), shape, minval=-radius, maxval=radius)

    return np.asarray(jax.vmap(one)(case.keys))
