"""LIME: a linear model of which parts are covered, fitted near the picture (Ribeiro et al. 2016)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.perturbation.least_squares import linear_model
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold
from cnnviz_plugins.explain.perturbation.plugin import LimeConfig


@dataclass(frozen=True, kw_only=True)
class Lime(PartsFold):
    """The weights of the parts in a ridge regression of the score on which parts are kept.

    Sample 0 is the picture itself; in every other each part is kept with chance 1/2. A sample counts with
    sqrt(exp(-d^2 / kernel_width^2)), d its cosine distance from the picture. `extras["fit"]` is the regression's
    weighted R^2: a low one says that the weights mean little. `extras["intercept"]` is the constant.

    Cost: `samples` forward passes per picture.
    Randomness: sample i of a picture comes from fold_in(picture's key, i).
    Source: Ribeiro, Singh, Guestrin 2016, section 3; numbers and kernel of marcotcr/lime lime_image.py, all parts kept
    in the regression.
    """

    config: LimeConfig

    @property
    def evaluations(self) -> int:
        """One per sample."""
        return self.config.samples

    def evaluate(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        target: Target,
        context: Parts,
        index: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[Bool[Array, " count"], Float[Array, ""]]:
        """Return which parts sample `index` keeps, and its score."""
        drawn = jax.random.bernoulli(key, 0.5, (self.segments.count,))
        kept = (drawn | (index == 0)) & context.there
        return kept, model.score(context.keeping(image, kept), target)[0]

    def finish(self, model: Model, image: Any, target: Target, context: Parts, gathered: Any) -> Heatmap:
        """Return the weights as a map."""
        kept, scores = gathered
        design = kept.astype(jnp.float32)
        distance = 1 - jnp.sqrt(design.sum(1) / context.there.sum().astype(jnp.float32))
        weights = jnp.sqrt(jnp.exp(-((distance / self.config.kernel_width) ** 2)))
        slopes, intercept, fit = linear_model(design, scores, weights, self.config.ridge)
        return self.shown(context, slopes, intercept=intercept, fit=fit)
