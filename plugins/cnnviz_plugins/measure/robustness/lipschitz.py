"""How far the map moves for how far the image moves, over noisy copies (Alvarez-Melis and Jaakkola 2018)."""

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Model
from cnnviz_plugins.measure.options.robustness import AverageStabilityConfig, LocalLipschitzEstimateConfig
from cnnviz_plugins.measure.robustness.copies import drawn, flat, over_copies

_LEAST = 1e-10
"""Added to the change of the image (Quantus)."""


def local_lipschitz_estimate(config: LocalLipschitzEstimateConfig, model: Model) -> HostMetric:
    """Return the measure: the largest ||A - A'|| / ||x - x'|| over copies with Gaussian noise.

    Maps are over their largest |value| first, as the technique gives them, so that the number does not depend on the
    score's unit. `curve` has every copy's number.

    Randomness: copy i of an image uses fold_in(image's key, i).
    Cost: `samples` explanations per image.
    Source: Alvarez-Melis, Jaakkola 2018, section 3.
    """

    def change(case: HostCase, number: int) -> Float[np.ndarray, "n h w c"]:
        noisy: np.ndarray = case.images + config.std * drawn(case, number, jax.random.normal)
        return noisy

    def compare(case: HostCase, copies: np.ndarray, maps: np.ndarray) -> Float[np.ndarray, " n"]:
        return lipschitz(over_largest(case.target.raw), over_largest(maps), case.images, copies, config.norm)

    return over_copies(config.samples, change, compare, largest=True, axis="noisy copy")


def average_stability(config: AverageStabilityConfig, model: Model) -> HostMetric:
    """Return the measure: the mean ||A(x + e) - A(x)|| over copies with noise uniform in [0, radius).

    In the map's own unit: only maps of one technique, or of one scale, are comparable. `curve` has every copy's number.

    Randomness: copy i of an image uses fold_in(image's key, i); Xplique gives all images the same noise.
    Cost: `samples` explanations per image.
    Source: Bhatt, Weller, Moura 2020, definition 1; the one-sided noise is Xplique's.
    """

    def change(case: HostCase, number: int) -> Float[np.ndarray, "n h w c"]:
        noisy: np.ndarray = case.images + config.radius * drawn(case, number, jax.random.uniform)
        return noisy

    def compare(case: HostCase, copies: np.ndarray, maps: np.ndarray) -> Float[np.ndarray, " n"]:
        distance: np.ndarray = np.linalg.norm(flat(maps) - flat(case.target.raw), axis=1)
        return distance

    return over_copies(config.samples, change, compare, largest=False, axis="noisy copy")


def lipschitz(
    before: Float[jax.Array | np.ndarray, "n ..."],
    after: Float[jax.Array | np.ndarray, "n ..."],
    images: Float[np.ndarray, "n ..."],
    copies: Float[np.ndarray, "n ..."],
    norm: str = "euclidean",
) -> Float[np.ndarray, " n"]:
    """Return the change of each map over the Euclidean change of its image."""
    order = 1 if norm == "manhattan" else 2
    moved = np.linalg.norm(flat(before) - flat(after), ord=order, axis=1)
    found: np.ndarray = moved / (np.linalg.norm(flat(images) - flat(copies), axis=1) + _LEAST)
    return found


def over_largest(maps: Float[jax.Array | np.ndarray, "n ..."]) -> Float[np.ndarray, "n p"]:
    """Return each map over its largest |value|; a map of zeros as it is."""
    rows = flat(maps)
    top = np.abs(rows).max(1, keepdims=True)
    return rows / np.where(top > 0, top, 1.0)
