"""LIME: a linear model of which parts are occluded, fitted near the image (Ribeiro et al. 2016)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.perturbation.least_squares import linear_model, slope_errors
from cnnviz_plugins.explain.perturbation.parts import Parts
from cnnviz_plugins.explain.perturbation.plugin import LimeConfig
from cnnviz_plugins.explain.perturbation.sampled_parts import SampledParts, Told


@dataclass(frozen=True, kw_only=True)
class Lime(SampledParts):
    """The weights of the parts in a ridge regression of the score on which parts are kept.

    Sample 0 is the image itself; in every other each part is kept with chance 1/2. A sample counts with
    sqrt(exp(-d^2 / kernel_width^2)), d its cosine distance from the image. `extras["fit"]` is the regression's
    weighted R^2: a low one says that the weights mean little. `extras["intercept"]` is the constant. The standard error
    is over draws of the samples; a lasso has none.

    Cost: `samples` forward passes per image.
    Randomness: sample i of an image comes from fold_in(image's key, i).
    Source: Ribeiro, Singh, Guestrin 2016, section 3; numbers and kernel of marcotcr/lime lime_image.py, all parts kept
    in the regression; `xplique`: xplique/attributions/lime.py, whose samples are all random and whose kernel is
    exp(-d^2 / kernel_width^2) of the distance between images; `captum`: captum/attr/_core/lime.py, a lasso, samples all
    random, exp(-d^2 / (2 kernel_width^2)) of the cosine distance between the network's inputs.
    """

    config: LimeConfig

    @classmethod
    def facts(cls, config: LimeConfig) -> tuple[tuple[str, Any], ...]:
        """Return the numbers used."""
        names = ("samples", "distance", "kernel_width", "ridge", "lasso")
        return tuple((name, getattr(config, name)) for name in names if getattr(config, name) is not None)

    @property
    def evaluations(self) -> int:
        """One per sample."""
        return int(self.config.samples or 0)

    def ask(self, case: Case) -> tuple[Bool[Array, " count"], Float[Array, ""], Float[Array, ""]]:
        """Return which parts sample `index` keeps, its score, and its squared distance from the image."""
        drawn = jax.random.bernoulli(case.key, 0.5, (self.segments.count,))
        is_whole = (case.index == 0) & (self.config.convention == "paper")
        kept = (drawn | is_whole) & case.context.there
        sample = case.context.keeping(case.image, kept)
        if self.config.distance == "input-cosine":
            mean, std = (jnp.asarray(of, sample.dtype) for of in (case.model.structure.mean, case.model.structure.std))
            apart = _cosine_distance((case.image - mean) / std, (sample - mean) / std) ** 2
        else:
            apart = ((sample - case.image) ** 2).sum()
        return kept, case.model.score(sample, case.target)[0], apart

    def tell(self, own: Parts, gathered: Any, counts: Bool[Array, " n"]) -> Told:
        """Return the weights, and their standard errors where the regression is no lasso."""
        kept, scores, apart = gathered
        design = kept.astype(jnp.float32)
        if self.config.distance == "cosine":
            apart = (1 - jnp.sqrt(design.sum(1) / own.there.sum().astype(jnp.float32))) ** 2
        weights = jnp.exp(-apart / (self.config.kernel_width or 1.0) ** 2)
        if self.config.convention in ("paper", "captum"):  # the paper's root is Captum's half
            weights = jnp.sqrt(weights)
        weights = jnp.where(counts, weights, 0)
        ridge, lasso = self.config.ridge or 0.0, self.config.lasso or 0.0
        slopes, intercept, fit = linear_model(design, scores, weights, ridge, lasso)
        error = None
        if not lasso:
            residuals = scores - intercept - design @ slopes
            error = slope_errors(design - (weights / weights.sum()) @ design, residuals, weights, ridge)
        return Told(own, slopes, error, {"intercept": intercept, "fit": fit})


def _cosine_distance(one: Float[Array, "h w c"], other: Float[Array, "h w c"]) -> Float[Array, ""]:
    lengths = [jnp.maximum(jnp.sqrt((each**2).sum()), 1e-8) for each in (one, other)]  # as torch's CosineSimilarity
    return 1 - (one * other).sum() / (lengths[0] * lengths[1])
