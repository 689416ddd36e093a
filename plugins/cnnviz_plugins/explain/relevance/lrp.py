"""Layer-wise relevance propagation: the score handed back layer by layer, by rules (Bach et al. 2015)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, View
from cnnviz_plugins.explain.relevance.composites import COMPOSITES, row_of, rule_of
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import PassingConfig, SharingConfig
from cnnviz_plugins.explain.relevance.propagation import Relevance, model_plan, relevance_of
from cnnviz_plugins.explain.site import IMAGE, Site


def settings_of(config: SharingConfig) -> RelevanceSettings:
    """Return the rules that options name."""
    own = tuple(row_of(text, config.stabiliser) for text in config.rules)
    rows = tuple((pattern, rule_of(rule, config.stabiliser)) for pattern, rule in COMPOSITES[config.composite])
    return RelevanceSettings(
        rows=own + rows,
        own=len(own),
        epsilon=config.stabiliser,
        bias=config.bias,
        is_attentive=config.is_attentive,
    )


@dataclass(frozen=True, kw_only=True)
class Lrp(Fold):
    """Relevance of each pixel, (h, w, c), or of each unit of a layer: shares of the score, negative ones against it.

    `extras` has `root`, the relevance that went in (the score, for a logit), and `conservation_gap`, the sum of the
    values less the root: what biases and stabilisers kept. `conservation_tolerance` is the multiple of the root from
    which on `explain` warns: a twentieth where biases take nothing, so that layers conserve all of it; with biases,
    which take any share of a small score, a thousand: more comes from denominators near zero, not from the network.

    Cost: one forward and one backward pass per image; a layer counts up to four times by its rule.
    Source: Bach et al. 2015, sections 3.2 and 3.3; Montavon et al. 2019; composites: Kohlbrenner et al. 2020; through
    attention: Achtibat et al. 2024, section 3.3.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    view: View = "pixels"
    settings: RelevanceSettings
    site: Site = IMAGE

    @classmethod
    def build(cls, config: PassingConfig, model: Model) -> "Lrp":
        """Return the fold for `model`, every layer with its rule.

        Raises:
            RuleError: The rules do not fit the model.
            LayerNotFoundError: No layer is called as `at` says.
        """
        site = Site.of(config.at, model)
        settings = settings_of(config)
        plan = model_plan(model, settings)
        notes = (("rules", plan.rules), ("epsilon", config.stabiliser))
        notes += site.sum_note(model, "the score, less what biases and stabilisers above took")
        return cls(
            settings=settings,
            notes=notes,
            warnings=plan.warnings("attn-lrp" if config.is_attentive else "lrp"),
            **site.fields(),
        )

    def evaluate(self, case: Case) -> Relevance:
        """Return the relevance of the image, or of the layer."""
        return relevance_of(case.model, case.image, case.target, self.settings, self.site.layer)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it with the two sums."""
        values, root = gathered.values[0], gathered.root[0]
        tolerance = jnp.float32(1_000.0 if self.settings.bias else 0.05)
        gap = values.sum() - root
        sums = {"root": root, "conservation_gap": gap, "conservation_tolerance": tolerance}
        return self.site.heatmap(values, sums)
