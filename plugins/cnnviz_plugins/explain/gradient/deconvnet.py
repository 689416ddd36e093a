"""DeconvNet: only positive evidence passes a ReLU, whether or not the unit was active (Zeiler, Fergus 2013)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import Model
from cnnviz_plugins.explain.gradient.input_gradient import passed_through, rewritten
from cnnviz_plugins.explain.gradient.plugin import DeconvnetConfig
from cnnviz_plugins.explain.gradient.saliency import Saliency


@dataclass(frozen=True, kw_only=True)
class Deconvnet(Saliency):
    """The gradient with the backward rule relu(R) at every true ReLU of the program.

    Raises (when built):
        RuleError: The program has no true ReLU.

    Cost: one forward and one backward pass per image.
    Source: Zeiler, Fergus 2013, section 2.1; max-pool keeps its switches.
    """

    method: str = "deconvnet"

    @classmethod
    def build(cls, config: DeconvnetConfig, model: Model) -> "Deconvnet":  # type: ignore[override]
        """Return the fold for `model`, with the ReLUs that it rewrites."""
        return cls(notes=rewritten(model, "deconvnet"), warnings=passed_through(model, "deconvnet"))
