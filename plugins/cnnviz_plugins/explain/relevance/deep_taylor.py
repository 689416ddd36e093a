"""Deep Taylor decomposition, where it is a composite of relevance rules (Montavon et al. 2017)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import ACTIVATION_KINDS, Model, RuleError
from cnnviz_plugins.explain.relevance.composites import COMPOSITES, rule_of
from cnnviz_plugins.explain.relevance.lrp import Lrp
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import DeepTaylorConfig
from cnnviz_plugins.explain.relevance.propagation import model_plan
from cnnviz_plugins.explain.site import Site


@dataclass(frozen=True, kw_only=True)
class DeepTaylor(Lrp):
    """Relevance of each pixel, (h, w, c), or of each unit of a layer, of one sign: that of the score.

    The decomposition takes ReLU networks whose biases are not positive; positive ones are left out of the sharing.

    Raises (when built):
        RuleError: The network has activations other than ReLU.

    Cost: one forward and one backward pass per image; layers count twice, the first three times.
    Source: Montavon, Lapuschkin, Binder, Samek, Müller 2017, sections 4.1 and 5.
    """

    @classmethod
    def build(cls, config: DeepTaylorConfig, model: Model) -> "DeepTaylor":  # type: ignore[override]
        """Return the fold for `model`.

        Raises:
            LayerNotFoundError: No layer is called as `at` says.
        """
        others = [
            f"{name} ({layer.kind})"
            for name, layer in model.program.layers.items()
            if layer.kind in ACTIVATION_KINDS - {"relu"} and layer.operation is not None
        ]
        if others:
            raise RuleError(
                f"deep-taylor is derived for ReLU networks, and {model.name} has {', '.join(others[:3])}"
                f"{', ...' if len(others) > 3 else ''}; lrp with composite='deep-taylor' uses the same rules there"
            )
        # Expanded at a root point of its domain, x >= 0 behind a ReLU and a box at the image, a ReLU unit with b <= 0
        # has the Taylor terms of the rules z+ and z^B (section 4), all of the sign of what is shared.
        rows = tuple((pattern, rule_of(rule, config.epsilon)) for pattern, rule in COMPOSITES["deep-taylor"])
        settings = RelevanceSettings(rows=rows, epsilon=config.epsilon, bias=False)
        plan, site = model_plan(model, settings), Site.of(config.at, model)
        notes = (("rules", plan.rules), *site.sum_note(model, "the score"))
        return cls(settings=settings, notes=notes, warnings=plan.warnings("deep-taylor"), **site.fields())
