"""Excitation backprop: a random walk down from the target, by positive weights alone (Zhang et al. 2016, 2018)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, RuleError, TargetError
from cnnviz_plugins.explain.relevance.composites import Rule
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import ExcitationBackpropConfig
from cnnviz_plugins.explain.relevance.propagation import Relevance, model_plan, relevance_of

SETTINGS = RelevanceSettings(rows=(("*", Rule("z+")),), epsilon=0.0, bias=False, is_rooted=False)
"""Marginal winning probability is the rule z+ without biases, begun with 1 at the target."""


@dataclass(frozen=True, kw_only=True)
class ExcitationBackprop(Fold):
    """Marginal winning probability summed over channels, (h, w); it sums to 1 wherever the walk cannot get stuck.

    A walk is stuck at a unit without positive input. `extras` has `root`, 1 for a class, and `conservation_gap`, less
    than 0 by the share of walks that got stuck. With `layer`, `low_res` is the map there.

    Contrastive: the probability less that of the walk from the opposite of the class, a unit with the last layer's
    weights negated, and 0 where that is negative; `extras["before_relu"]` is the difference, of which `root` is 0.

    Cost: one forward and one backward pass per image, layers counted twice; contrastive twice that.
    Source: Zhang, Lin, Brandt, Shen, Sclaroff 2016, sections 3.2 and 3.3.
    """

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    opposite: tuple[int, ...] = ()
    """Positions of the kernels that are negated, among the parameters; none without contrast."""

    @classmethod
    def build(cls, config: ExcitationBackpropConfig, model: Model) -> "ExcitationBackprop":
        """Return the fold for `model`.

        Raises:
            LayerKindError: The layer has no map.
            RuleError: The program has an operation with no way back; or there is no last layer to negate.
        """
        layer = None if config.layer is None else model.map_layer(config.layer).name
        plan = model_plan(model, SETTINGS)
        notes: tuple[tuple[str, Any], ...] = (("rules", plan.rules),)
        opposite: tuple[int, ...] = ()
        if config.contrastive:
            top, opposite = _last_kernel(model)
            if layer == top:
                raise RuleError(
                    f"contrastive excitation-backprop negates {top}, and reads below it; name a lower layer"
                )
            notes += (("negated", top),)
        return cls(layer=layer, opposite=opposite, notes=notes, warnings=plan.warnings("excitation-backprop"))

    def evaluate(self, case: Case) -> Relevance:
        """Return the probabilities at the image or the layer."""
        layer = self.layer if self.layer in case.model.program.layers else None  # "input" is the image
        found = relevance_of(case.model, case.image, case.target, SETTINGS, layer)
        if not self.opposite:
            return found
        if case.target.layers:
            raise TargetError(
                "contrastive excitation-backprop sets a class against its opposite; it explains scores only"
            )
        # Zhang et al. 2016, section 3.3: a dual unit of the class has its weights negated; its walk is run with the
        # same activations. Negating the last kernel gives just that, for all classes at once and at any layer below.
        leaves, tree = jax.tree.flatten(case.model.params)
        turned = [-leaf if position in self.opposite else leaf for position, leaf in enumerate(leaves)]
        other = relevance_of(
            replace(case.model, params=jax.tree.unflatten(tree, turned)), case.image, case.target, SETTINGS, layer
        )
        return Relevance(found.values - other.values, found.root - other.root)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return them summed over channels, at the image's size."""
        low_res, root = gathered.values[0].sum(-1), gathered.root[0]
        extras = {"root": root, "conservation_gap": low_res.sum() - root}
        if self.opposite:
            extras["before_relu"] = low_res
            low_res = jax.nn.relu(low_res)
        if low_res.shape == case.image.shape[:2]:
            return Heatmap(values=low_res, extras=extras)
        return Heatmap(values=jax.image.resize(low_res, case.image.shape[:2], "linear"), low_res=low_res, extras=extras)


def _last_kernel(model: Model) -> tuple[str, tuple[int, ...]]:
    """Return the last layer with weights, and the positions of its kernels among the parameters."""
    place = {path: position for position, path in enumerate(model.structure.pure.param_paths)}
    for name, layer in reversed(list(model.layers.items())):
        positions = tuple(place[path] for path in layer.params if path in place)
        if positions:
            return name, positions
    raise RuleError(f"{model.name} has no layer with a kernel to negate; leave contrastive out")
