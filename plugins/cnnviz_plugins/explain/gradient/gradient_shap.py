"""GradientSHAP: the gradient at random points between random baselines and the image (Lundberg, Lee 2017)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, GivenArray, Heatmap, Model, Noise, SampledMean, noisy_image
from cnnviz_plugins.explain.gradient.baseline_options import words_of
from cnnviz_plugins.explain.gradient.path import PathEndpoints, baselines_of
from cnnviz_plugins.explain.gradient.plugin import GradientShapConfig
from cnnviz_plugins.explain.site import IMAGE, Site

_PROBE = 1 << 31
"""Number of the key that random baselines and noisy images are scored with: no point has it."""


@dataclass(frozen=True, kw_only=True)
class GradientShap(SampledMean):
    """The mean of (image - baseline) times the gradient at a random point between them, (h, w, c), with its error.

    Each point draws one of the `baselines`, a place on the path and, if asked, noise on the image.
    `extras` has the mean `baseline_score` and the `completeness_gap`, which falls with the number of points. At a layer
    the gradient there is multiplied by the difference of its values at both images; that is not complete: each is
    averaged apart, and the gap stays.

    Each baseline is scored once and counted as often as it was drawn; where there are more baselines than points, each
    point's own. Of random ones, and of the noisy image, a few are scored for all: a tenth as many as points, eight at
    most; the gap then holds their spread as well.

    Randomness: point i of an image uses fold_in(image's key, i).
    Cost: `samples` forward and backward passes per image, one forward pass for each baseline, up to eight for random
    ones.
    Source: Lundberg, Lee 2017; Erion et al. 2019, equation 2 ("expected gradients").
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: GradientShapConfig
    site: Site = IMAGE
    distributions = ("baselines",)

    @classmethod
    def build(cls, config: GradientShapConfig, model: Model) -> "GradientShap":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        notes = (("samples", config.points), ("baselines", words_of(config.baselines)))
        notes += site.sum_note(model, "nothing exact; about score - baseline_score")
        return cls(config=config, count=config.points, tolerance=config.tolerance, notes=notes, **site.fields())

    def shared(self, case: Case) -> tuple[Float[Array, " k"], Float[Array, ""]]:
        """Return the score of every baseline and of the image, of random ones their mean; none of more than points."""
        probes = min(8, -(-self.config.points // 10))
        keys = jax.random.split(jax.random.fold_in(case.key, _PROBE), probes)

        def scored(images: Float[Array, "k h w c"]) -> Float[Array, " k"]:
            found: Array = jax.vmap(lambda image: case.model.score(image, case.target)[0])(images)
            return found

        baselines, noise = self.config.baselines, Noise.of(self.config.noise)
        fills = baselines_of(case, baselines, keys[0])
        scores = scored(fills) if self.scores_each(fills) else jnp.zeros(0)
        words = () if isinstance(baselines, GivenArray) else words_of(baselines)
        is_random = [word == "noise" for word in words]
        if any(is_random) and scores.size and probes > 1:
            drawn = jnp.stack([baselines_of(case, ("noise",), key)[0] for key in keys[1:]])
            scores = jnp.where(jnp.asarray(is_random), (scores + scored(drawn).sum()) / probes, scores)
        end = case.model.score(case.image, case.target)[0]
        if noise.amount:
            noisy = jnp.stack([noisy_image(case.image, noise.sigma(case.image), key) for key in keys])
            end = scored(noisy).mean()
        return scores, end

    def scores_each(self, fills: Float[Array, "k h w c"]) -> bool:
        """Whether every baseline is scored once, and not that of every point."""
        return len(fills) <= self.config.points

    def draw(self, case: Case) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Return the product at one random point, and which baseline it has, or that one's score."""
        pick, place, shake, fill = jax.random.split(case.key, 4)
        fills = baselines_of(case, self.config.baselines, fill)
        number = jax.random.randint(pick, (), 0, len(fills))
        end = noisy_image(case.image, Noise.of(self.config.noise).sigma(case.image), shake)
        start = fills[number]
        gradient = self.site.read(case.model, start + jax.random.uniform(place) * (end - start), case.target)[1]
        change = self.site.value(case.model, end) - self.site.value(case.model, start)
        if self.scores_each(fills):
            return change * gradient, jax.nn.one_hot(number, len(fills))
        return change * gradient, case.model.score(start, case.target)[0]

    def of_mean(self, case: Case, values: Float[Array, "..."], more: Float[Array, "..."]) -> Heatmap:
        """Return the mean and by how much its sum misses the mean difference of scores."""
        scores, end = case.context
        base = more @ scores if scores.size else more
        return PathEndpoints(case.image, case.image, base, end).shared(values, self.site)
