"""Feature ablation: how much the score falls when each part of the image is occluded."""

from dataclasses import dataclass, replace
from typing import Any, Self

from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, UsageError, WindowSweep
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold
from cnnviz_plugins.explain.perturbation.plugin import FeatureAblationConfig
from cnnviz_plugins.explain.perturbation.site_parts import LayerAblation
from cnnviz_plugins.explain.site import IMAGE, Site


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(PartsFold):
    """score - score with the part occluded, one number per part; at a layer see `LayerAblation`.

    Cost: one forward pass per part and one for the image.
    Source: Zeiler, Fergus 2013, section 4.2, over parts; Captum's FeatureAblation with a feature mask.
    """

    config: FeatureAblationConfig
    sweep: WindowSweep | None = None
    """Where parts are boxes and only what a box reaches is recomputed: the boxes."""

    @classmethod
    def build(cls, config: Any, model: Model) -> Self | LayerAblation:  # type: ignore[override]
        """Return the fold for `model`, its parts laid out; boxes as windows where that is predicted to be faster.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
            UsageError: Windows are asked for and the parts are no boxes.
        """
        site = Site.of(config.at, model)
        if site != IMAGE:
            return LayerAblation.build(config, model, site)
        segments = "grid(8)" if config.segments is None else config.segments
        config = replace(config, segments=segments, fill=0.5 if config.fill is None else config.fill)
        fold, chosen = super().build(config, model), config.engine
        sweep = fold.segments.boxes()
        if sweep is None and chosen == "incremental":
            raise UsageError("engine='incremental' needs parts that are boxes, such as segments='grid(8)'")
        if sweep is None or chosen == "dense" or (chosen == "auto" and not sweep.is_faster(model)):
            return replace(fold, notes=(*fold.notes, ("engine", "dense")))
        return replace(fold, sweep=sweep, notes=(*fold.notes, ("engine", "incremental")))

    @property
    def evaluations(self) -> int:
        """One per part."""
        return self.segments.count

    def prepare(self, case: Case) -> tuple[Parts, Float[Array, ""], tuple[Array, ...]]:
        """Return the image's parts, its score, and the untouched activations where boxes are windows."""
        unchanged = () if self.sweep is None else self.sweep.prepare(case.model, case.image, case.target)
        return self.parts(case), case.model.score(case.image, case.target)[0], unchanged

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the fall of the score without part `index`."""
        parts, score, unchanged = case.context
        if self.sweep is not None:
            place = self.sweep.place(case.index)
            return score - self.sweep.score(case.model, case.image, parts.occluding_fill, unchanged, place, case.target)
        others = parts.there.at[case.index].set(False)
        return score - case.model.score(parts.keeping(case.image, others), case.target)[0]

    def finish(self, case: Case, gathered: Float[Array, " count"]) -> Heatmap:
        """Return the falls as a map."""
        return self.shown(case.context[0], gathered)
