"""Feature ablation: how much the score falls when each part of the picture is covered."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, Int, Key

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold
from cnnviz_plugins.explain.perturbation.plugin import FeatureAblationConfig


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(PartsFold):
    """score - score with the part covered, one number per part.

    Cost: one forward pass per part and one for the picture.
    Source: Zeiler, Fergus 2013, section 4.2, over parts; Captum's FeatureAblation with a feature mask.
    """

    config: FeatureAblationConfig

    @property
    def evaluations(self) -> int:
        """One per part."""
        return self.segments.count

    def prepare(
        self, model: Model, image: Float[Array, "h w c"], target: Target, key: Key[Array, ""]
    ) -> tuple[Parts, Float[Array, ""]]:
        """Return the picture's parts and its score."""
        return self.parts(image, key), model.score(image, target)[0]

    def evaluate(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        target: Target,
        context: tuple[Parts, Float[Array, ""]],
        index: Int[Array, ""],
        key: Any,
    ) -> Float[Array, ""]:
        """Return the fall of the score without part `index`."""
        parts, score = context
        others = parts.there.at[index].set(False)
        return score - model.score(parts.keeping(image, others), target)[0]

    def finish(
        self,
        model: Model,
        image: Any,
        target: Target,
        context: tuple[Parts, Float[Array, ""]],
        gathered: Float[Array, " count"],
    ) -> Heatmap:
        """Return the falls as a map."""
        return self.shown(context[0], gathered)
