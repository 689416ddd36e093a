"""XRAI: regions of the image, ranked by their integrated gradients (Kapishnikov et al. 2019)."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, View, require
from cnnviz_plugins.explain.gradient.path import rule_of
from cnnviz_plugins.explain.gradient.plugin import XraiConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.input_gradient import input_gradient


@dataclass(frozen=True, kw_only=True)
class Xrai(PixelSum):
    """One number per pixel: the mean attribution of the region with which the pixel is taken, (h, w).

    Attributions are integrated gradients from the image's darkest and from its brightest value, averaged,
    the largest channel of each pixel. Regions are Felzenszwalb's segments at several scales, taken greedily, each
    time the one whose new pixels have the highest mean.

    Raises (when built):
        UsageError: scikit-image is not installed.

    Cost: 2 x `nodes` forward and backward passes per image, and its segmentations on the host.
    Source: Kapishnikov, Bolukbasi, Viégas, Terry 2019, section 3.2.
    """

    view: View = "heatmap"
    config: XraiConfig

    @classmethod
    def build(cls, config: XraiConfig, model: Model) -> "Xrai":
        """Return the fold for `model`."""
        require("skimage", extra="segments", what="xrai")
        quadrature, nodes = config.rule
        notes = (("quadrature", quadrature), ("nodes", nodes), ("baselines", ("min", "max")))
        return cls(config=config, count=2 * nodes, notes=notes)

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return the weighted share of one node of one baseline."""
        at, weights = map(jnp.asarray, rule_of(*self.config.rule))
        node = case.index % len(at)
        start = jnp.where(case.index < len(at), case.image.min(), case.image.max())
        gradient = input_gradient(case.model, start + at[node] * (case.image - start), case.target)
        return 0.5 * weights[node] * (case.image - start) * gradient

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the ranked regions; the segmentation runs on the host."""
        shape = jax.ShapeDtypeStruct(case.image.shape[:2], jnp.float32)
        regions = partial(_ranked, config=self.config)
        values = jax.pure_callback(regions, shape, case.image, gathered.max(-1), vmap_method="sequential")
        return Heatmap(values=values, extras={"attribution": gathered})


def _ranked(
    image: Float[Array | np.ndarray, "h w c"], attribution: Float[Array | np.ndarray, "h w"], *, config: XraiConfig
) -> Float[np.ndarray, "h w"]:
    """Return the attribution of the regions, taken greedily by the mean of what each would add."""
    flat = np.asarray(attribution, np.float64).reshape(-1)
    masks = segment_masks(np.asarray(image), config).reshape(-1, flat.size)
    least = max(1, round(config.min_share * flat.size))
    ranked, free = np.zeros(flat.size), np.ones(flat.size, bool)
    while len(masks):
        added = masks & free
        counts = added.sum(1)
        masks, added, counts = masks[counts >= least], added[counts >= least], counts[counts >= least]
        if not len(masks):
            break
        means = added @ flat / counts
        best = int(means.argmax())
        ranked[added[best]] = means[best]
        free &= ~added[best]
        masks = np.delete(masks, best, 0)
    if free.any():
        ranked[free] = flat[free].mean()
    return ranked.reshape(attribution.shape).astype(np.float32)


def segment_masks(image: Float[np.ndarray, "h w c"], config: XraiConfig) -> Bool[np.ndarray, "k h w"]:
    """Return every segment of every scale, grown by `dilation`, at the image's size."""
    from skimage.morphology import dilation, disk
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    height, width = image.shape[:2]
    spread = float(image.max() - image.min())
    scaled = 2 * (image - image.min()) / (spread or 1.0) - 1
    large = resize(scaled, (config.size, config.size), order=3, mode="edge", preserve_range=True, anti_aliasing=True)
    rows, cols = ((np.arange(size) + 0.5) * config.size / size for size in (height, width))
    at = np.ix_(rows.astype(int), cols.astype(int))
    masks = []
    for scale in config.scales:
        labels = felzenszwalb(large, scale=scale, sigma=config.sigma, min_size=config.min_size, channel_axis=-1)
        for label in range(labels.max() + 1):
            mask = labels == label
            masks.append((dilation(mask, disk(config.dilation)) if config.dilation else mask)[at])
    return np.stack(masks)
