"""GradientSHAP: the gradient at random points between random baselines and the image (Lundberg, Lee 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, Noise, noisy_image
from cnnviz_plugins.explain.gradient.baseline_options import words_of
from cnnviz_plugins.explain.gradient.path import PathEndpoints, baselines_of
from cnnviz_plugins.explain.gradient.plugin import GradientShapConfig
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class GradientShap(PixelSum):
    """The mean of (image - baseline) times the gradient at a random point between them, (h, w, c).

    Each point draws one of the `baselines`, a place on the path and, if asked, noise on the image.
    `extras` has the mean `baseline_score` and the `completeness_gap`, which falls with the number of points. At a layer
    the gradient there is multiplied by the difference of its values at both images; that is not complete: each is
    averaged apart, and the gap stays.

    Randomness: point i of an image uses fold_in(image's key, i).
    Cost: `samples` forward and backward passes per image, and as many forward ones of baselines.
    Source: Lundberg, Lee 2017; Erion et al. 2019, equation 2 ("expected gradients").
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
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
        return cls(config=config, count=config.points, notes=notes, **site.fields())

    def evaluate(self, case: Case) -> tuple[Float[Array, "..."], Float[Array, ""], Float[Array, ""]]:
        """Return the product at one random point, the score of its baseline and that of its image."""
        pick, place, shake, fill = jax.random.split(case.key, 4)
        fills = baselines_of(case, self.config.baselines, fill)
        start = fills[jax.random.randint(pick, (), 0, len(fills))]
        end = noisy_image(case.image, Noise.of(self.config.noise).sigma(case.image), shake)
        point = start + jax.random.uniform(place) * (end - start)
        gradient = self.site.read(case.model, point, case.target)[1]
        change = self.site.value(case.model, end) - self.site.value(case.model, start)
        return change * gradient, case.model.score(start, case.target)[0], case.model.score(end, case.target)[0]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the mean and by how much its sum misses the mean difference of scores."""
        values, base, score = (part / self.config.points for part in gathered)
        return PathEndpoints(case.image, case.image, base, score).shared(values, self.site)
