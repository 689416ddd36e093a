"""Guided backpropagation: only positive evidence of active units passes a ReLU (Springenberg et al. 2014)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import Model
from cnnviz_plugins.explain.gradient.input_gradient import passed_through, rewritten
from cnnviz_plugins.explain.gradient.plugin import GuidedBackpropConfig
from cnnviz_plugins.explain.gradient.saliency import Saliency


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Saliency):
    """The gradient with the backward rule relu(R) * 1[x > 0] at every true ReLU of the program.

    Raises (when built):
        RuleError: The program has no true ReLU.

    Cost: one forward and one backward pass per image.
    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, section 3.4.
    """

    method: str = "guided-backprop"

    @classmethod
    def build(cls, config: GuidedBackpropConfig, model: Model) -> "GuidedBackprop":  # type: ignore[override]
        """Return the fold for `model`, with the ReLUs that it rewrites."""
        return cls(notes=rewritten(model, "guided-backprop"), warnings=passed_through(model, "guided-backprop"))
