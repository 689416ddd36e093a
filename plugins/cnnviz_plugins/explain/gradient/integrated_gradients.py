"""Integrated gradients: shares of the pixels that sum to the difference of scores (Sundararajan et al. 2017)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, fill_of
from cnnviz_plugins.explain.gradient.path import PathEndpoints, rule_of
from cnnviz_plugins.explain.gradient.plugin import IntegratedGradientsConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.input_gradient import input_gradient


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(PixelSum):
    """(image - baseline) times the gradient integrated along the straight path between them, (h, w, c).

    `extras` has `baseline_score` and `completeness_gap`: what the shares sum to, less the difference of scores.

    Cost: `nodes` forward and backward passes per image, and two forward ones.
    Source: Sundararajan, Taly, Yan 2017, section 3, equation 1; completeness is proposition 1.
    """

    config: IntegratedGradientsConfig

    @classmethod
    def build(cls, config: IntegratedGradientsConfig, model: Model) -> "IntegratedGradients":
        """Return the fold for `model`."""
        used = zip(("quadrature", "nodes"), config.rule, strict=True)
        return cls(config=config, count=config.rule[1], notes=(("baseline", str(config.baseline)), *used))

    def prepare(self, case: Case) -> PathEndpoints:
        """Return the baseline and the scores at both ends."""
        return PathEndpoints.of(case, fill_of(case.image, self.config.baseline, case.model))

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return the weighted gradient at one node."""
        at, weights = rule_of(*self.config.rule, self.config.convention)
        point = case.context.start + jnp.asarray(at)[case.index] * (case.image - case.context.start)
        return jnp.asarray(weights)[case.index] * input_gradient(case.model, point, case.target)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the shares and by how much their sum misses the difference of scores."""
        return case.context.shared((case.image - case.context.start) * gathered)
