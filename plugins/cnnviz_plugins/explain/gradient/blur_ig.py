"""Blur IG: integrated gradients from a blurred image to the sharp one (Xu et al. 2020)."""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model
from cnnviz_plugins.explain.gradient.path import PathEndpoints
from cnnviz_plugins.explain.gradient.plugin import BlurIgConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.input_gradient import input_gradient
from cnnviz_plugins.explain.site import SHARES

_PAIR_STEP = 0.01
"""By how much PAIR's code changes sigma for its derivative."""
_SHARP = 1e-3
"""A Gaussian this narrow, in pixels, is no blur at all."""


@dataclass(frozen=True, kw_only=True)
class BlurIg(PixelSum):
    """Gradients along the path of less and less blurred images, times the changes, (h, w, c).

    No baseline colour has to be chosen. `extras` has `baseline_score`, of the most blurred image, and
    `completeness_gap`.

    Cost: `steps` forward and backward passes per image, and two forward ones.
    Source: Xu, Venugopalan, Sundararajan 2020, section 3.
    """

    config: BlurIgConfig

    @classmethod
    def build(cls, config: BlurIgConfig, model: Model) -> "BlurIg":
        """Return the fold for `model`."""
        notes = (("max_sigma_px", config.max_sigma), ("steps", config.steps), *SHARES)
        return cls(config=config, count=config.steps, notes=notes)

    def prepare(self, case: Case) -> PathEndpoints:
        """Return the most blurred image and the scores at both ends."""
        last = self.config.max_sigma
        if self.config.spacing == "sqrt" and self.config.convention == "pair":
            last = math.sqrt(last)
        return PathEndpoints.of(case, self._blur(case.image, jnp.float32(last)))

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return one step's gradient times the change of the image there."""
        config = self.config
        shares = np.arange(config.steps + 1) / config.steps
        if config.spacing == "sqrt":
            # PAIR takes the root of share * max_sigma; ours ends at max_sigma.
            inner = shares * config.max_sigma if config.convention == "pair" else shares * config.max_sigma**2
            sigmas = jnp.asarray(np.sqrt(inner), jnp.float32)
        else:
            sigmas = jnp.asarray(shares * config.max_sigma, jnp.float32)
        sharp, soft = sigmas[case.index], sigmas[case.index + 1]
        if config.convention == "pair":
            point = self._blur(case.image, sharp)
            change = (point - self._blur(case.image, sharp + _PAIR_STEP)) / _PAIR_STEP * (soft - sharp)
        else:
            point = self._blur(case.image, (sharp + soft) / 2)
            change = self._blur(case.image, sharp) - self._blur(case.image, soft)
        return change * input_gradient(case.model, point, case.target)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the shares and by how much their sum misses the difference of scores."""
        return case.context.shared(gathered)

    def _blur(self, image: Float[Array, "h w c"], sigma: Float[Array, ""]) -> Float[Array, "h w c"]:
        most = self.config.max_sigma
        is_pair = self.config.convention == "pair"
        rows, cols = (_matrix(size, sigma, most, ends_black=is_pair) for size in image.shape[:2])
        return jnp.einsum("ij,jkc,lk->ilc", rows, image, cols)


def _matrix(size: int, sigma: Float[Array, ""], most: float, *, ends_black: bool) -> Float[Array, "n n"]:
    """Return the blur of one axis as a matrix; at the borders its rows are renormalised, or lose weight to black."""
    width = jnp.maximum(sigma, _SHARP)
    offset = jnp.asarray(np.arange(size)[:, None] - np.arange(size)[None], jnp.float32)
    weights = jnp.exp(-0.5 * (offset / width) ** 2)
    if not ends_black:
        return weights / weights.sum(1, keepdims=True)
    reach = math.ceil(4 * most + 1)
    places = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    radius = jnp.floor(4 * sigma + 0.5)  # where scipy cuts its Gaussian
    total = jnp.where(jnp.abs(places) <= radius, jnp.exp(-0.5 * (places / width) ** 2), 0.0).sum()
    return jnp.where(jnp.abs(offset) <= radius, weights, 0.0) / total
