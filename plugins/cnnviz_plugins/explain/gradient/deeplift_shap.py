"""DeepLIFT over many references: the mean of its shares, and of what they sum to (Lundberg, Lee 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, GivenArray, Heatmap, Model
from cnnviz_plugins.explain.gradient.baseline_options import words_of
from cnnviz_plugins.explain.gradient.deeplift import deeplift_map, rescaled_layers, unrescaled_warning
from cnnviz_plugins.explain.gradient.layer_options import DeepliftShapConfig
from cnnviz_plugins.explain.gradient.path import PathEndpoints, baselines_of
from cnnviz_plugins.explain.gradient.saliency import PixelSum
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class DeepliftShap(PixelSum):
    """The mean over references of (image - reference) times DeepLIFT's multipliers, (h, w, c), or at a layer.

    Every image meets every reference. `extras` has `baseline_score`, the mean score of the references, and
    `completeness_gap`: what the shares sum to, less the score and that mean.

    Randomness: only the word `noise`, one field of it per image.
    Cost: as `Deeplift` for each reference.
    Source: Lundberg, Lee 2017, section 4.2 ("Deep SHAP"); Captum's DeepLiftShap.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: DeepliftShapConfig
    site: Site = IMAGE
    distributions = ("baselines",)

    @classmethod
    def build(cls, config: DeepliftShapConfig, model: Model) -> "DeepliftShap":
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        site, given = Site.of(config.at, model), config.baselines
        own = model.input_shape if model.structure.space is None else model.structure.space.shape
        is_several = isinstance(given, GivenArray) and given.shape[1:] in (own, model.input_shape)
        count = given.shape[0] if is_several and isinstance(given, GivenArray) else len(words_of(given))
        notes = (("baselines", words_of(given)), ("references", count), ("rescaled", rescaled_layers(model)))
        notes += site.sum_note(model, "score - baseline_score")
        return cls(config=config, count=count, notes=notes, warnings=unrescaled_warning(model), **site.fields())

    def evaluate(self, case: Case) -> tuple[Float[Array, "..."], Float[Array, ""]]:
        """Return the shares from one reference, and its score."""
        model, target = case.model, case.target
        reference = baselines_of(case, self.config.baselines, case.key)[case.index]
        shares = deeplift_map(model, case.image, reference, target, epsilon=self.config.epsilon, site=self.site)
        return shares, model.score(reference, target)[0]

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the means, and by how much the sum misses the difference of scores."""
        values, base = (part / self.count for part in gathered)
        score = case.model.score(case.image, case.target)[0]
        return PathEndpoints(case.image, case.image, base, score).shared(values, self.site)
