"""Integrated gradients: shares that sum to the difference of scores (Sundararajan et al. 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model
from cnnviz_plugins.explain.gradient.path import PathEndpoints, rule_of
from cnnviz_plugins.explain.gradient.plugin import IntegratedGradientsConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(PixelSum):
    """(image - baseline) times the gradient integrated along the straight path between them, (h, w, c).

    At a layer the layer's value moves, from what it is for the baseline to what it is for the image, and the values
    have its axes. `extras` has `baseline_score`, where the path begins, and `completeness_gap`: what the shares sum
    to, less the difference of scores.

    Cost: `nodes` forward and backward passes per image, and two forward ones; at a layer those from it on.
    Source: Sundararajan, Taly, Yan 2017, section 3, equation 1; completeness is proposition 1.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: IntegratedGradientsConfig
    site: Site = IMAGE

    @classmethod
    def build(cls, config: IntegratedGradientsConfig, model: Model) -> "IntegratedGradients":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        used = zip(("quadrature", "nodes"), config.rule, strict=True)
        notes = (("baseline", str(config.baseline)), *used, *site.sum_note(model, "score - baseline_score"))
        return cls(config=config, count=config.rule[1], notes=notes, **site.fields())

    def prepare(self, case: Case) -> PathEndpoints:
        """Return the ends of the path and the scores there."""
        return PathEndpoints.of(case, case.filled(self.config.baseline), self.site)

    def evaluate(self, case: Case) -> Float[Array, "..."]:
        """Return the weighted gradient at one node."""
        at, weights = rule_of(*self.config.rule, self.config.convention)
        start, end = case.context.start, case.context.end
        point = start + jnp.asarray(at)[case.index] * (end - start)
        return jnp.asarray(weights)[case.index] * self.site.gradient(case.model, case.image, point, case.target)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the shares and by how much their sum misses the difference of scores."""
        return case.context.shared((case.context.end - case.context.start) * gathered, self.site)
