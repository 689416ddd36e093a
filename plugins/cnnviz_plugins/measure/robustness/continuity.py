"""Continuity: how far the map moves as the image is shifted (Montavon et al. 2018)."""

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import HostCase, HostMetric, Model, fill_of
from cnnviz_plugins.measure.options.robustness import ContinuityConfig
from cnnviz_plugins.measure.robustness.copies import over_copies
from cnnviz_plugins.measure.robustness.lipschitz import lipschitz, over_largest


def continuity(config: ContinuityConfig, model: Model) -> HostMetric:
    """Return the measure: the largest |A - A_s|_1 / ||x - x_s||_2 over horizontal shifts.

    Maps are |map| over their largest. Shift i is by -width + (i + 1) floor((2 width + 1) / `steps`) pixels, Quantus'
    rule; `curve` has every shift's number.

    Cost: `steps` explanations per image.
    Source: Montavon, Samek, Müller 2018, section 5.
    """
    width = model.input_shape[1]
    stride = max(1, (2 * width + 1) // config.steps)
    offsets = [-width + (step + 1) * stride for step in range(config.steps)]

    def change(case: HostCase, number: int) -> Float[np.ndarray, "n h w c"]:
        fill = np.asarray(jax.vmap(lambda image: fill_of(image, config.fill, case.model))(case.images))
        return shifted(case.images, fill, offsets[number])

    def compare(case: HostCase, copies: np.ndarray, maps: np.ndarray) -> Float[np.ndarray, " n"]:
        before, after = (np.abs(over_largest(each)) for each in (case.target.raw, maps))
        return lipschitz(before, after, case.images, copies, "manhattan")

    made = over_copies(config.steps, change, compare, largest=True, axis="shift in pixels, to the right")
    return replace(made, at=tuple(map(float, offsets)))


def shifted(
    images: Float[np.ndarray, "n h w c"], fill: Float[np.ndarray, "n h w c"], offset: int
) -> Float[np.ndarray, "n h w c"]:
    """Return the images moved so many pixels to the right, and what comes in filled."""
    moved, width = fill.copy(), images.shape[2]
    kept = width - min(abs(offset), width)
    if offset >= 0:
        moved[:, :, width - kept :] = images[:, :, :kept]
    else:
        moved[:, :, :kept] = images[:, :, width - kept :]
    return moved
