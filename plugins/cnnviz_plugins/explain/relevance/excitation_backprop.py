"""Excitation backprop: a random walk down from the target, by positive weights alone (Zhang et al. 2016)."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.engine import Fold
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.relevance.lrp import unruled_warning
from cnnviz_plugins.explain.relevance.plan import Settings
from cnnviz_plugins.explain.relevance.plugin import ExcitationBackpropConfig
from cnnviz_plugins.explain.relevance.propagation import Relevance, model_plan, relevance_of
from cnnviz_plugins.explain.relevance.wording import Rule

SETTINGS = Settings(rows=(("*", Rule("z+")),), epsilon=0.0, bias=False, is_rooted=False)
"""Marginal winning probability is the rule z+ without biases, begun with 1 at the target."""


@dataclass(frozen=True, kw_only=True)
class ExcitationBackprop(Fold):
    """Marginal winning probability summed over channels, (h, w); it sums to 1 wherever the walk cannot get stuck.

    A walk is stuck at a unit without positive input. `extras` has `root`, 1 for a class, and `conservation_gap`, less
    than 0 by the share of walks that got stuck. With `layer`, `low_res` is the map there.

    Cost: one forward and one backward pass per picture; layers count twice.
    Source: Zhang, Lin, Brandt, Shen, Sclaroff 2016, section 3.2; the contrastive variant of 3.3 is not included.
    """

    @classmethod
    def build(cls, config: ExcitationBackpropConfig, model: Model) -> "ExcitationBackprop":
        """Return the fold for `model`.

        Raises:
            LayerKindError: The layer has no map.
            RuleError: The program has an operation with no way back.
        """
        layer = None if config.layer is None else model.map_layer(config.layer).name
        plan = model_plan(model, SETTINGS)
        return cls(layer=layer, notes=(("rules", plan.rules),), warnings=unruled_warning("excitation-backprop", plan))

    def evaluate(
        self, model: Model, image: Float[Array, "h w c"], target: Target, context: Any, index: Any, key: Any
    ) -> Relevance:
        """Return the probabilities at the picture or the layer."""
        layer = self.layer if self.layer in model.program.layers else None  # "input" is the picture
        return relevance_of(model, image, target, SETTINGS, layer)

    def finish(self, model: Model, image: Any, target: Target, context: Any, gathered: Any) -> Heatmap:
        """Return them summed over channels, at the picture's size."""
        low_res, root = gathered.values[0].sum(-1), gathered.root[0]
        extras = {"root": root, "conservation_gap": low_res.sum() - root}
        if low_res.shape == image.shape[:2]:
            return Heatmap(values=low_res, extras=extras)
        return Heatmap(values=jax.image.resize(low_res, image.shape[:2], "linear"), low_res=low_res, extras=extras)
