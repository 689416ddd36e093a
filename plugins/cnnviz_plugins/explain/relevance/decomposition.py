"""Concept relevance of a layer: a score divided among its channels, and where in the image each finds its share."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, ClassScore, Fold, Heatmap, Model, UsageError, View
from cnnviz_plugins.explain.relevance.descent import Descent, checked_layer
from cnnviz_plugins.explain.relevance.lrp import settings_of
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import ConceptRelevanceConfig


@dataclass(frozen=True, kw_only=True)
class ConceptRelevance(Fold):
    """One map, (h, w), for each of some channels: the relevance that reaches the image through that channel alone.

    `extras`: `channels`, which they are, and `relevance`, what each has at the layer; `channel_relevance` (c,), that of
    every channel; `rest` (h, w), the map of all other channels together, and `bypass` (h, w), what reaches the image
    without passing the layer. The maps, `rest` and `bypass` add up to LRP's map; `root` is the relevance that went in.

    Cost: one forward pass, and one backward pass for each map from the layer down; two more for the rest.
    Source: Achtibat et al. 2023, arXiv:2206.03208, section 4.1.
    """

    view: View = "maps"
    layer: str
    settings: RelevanceSettings
    channels: tuple[int, ...] | None
    count: int
    order: str

    @classmethod
    def build(cls, config: ConceptRelevanceConfig, model: Model) -> "ConceptRelevance":
        """Return the fold for `model`, its layer resolved.

        Raises:
            LayerNotFoundError: No such layer.
            UsageError: The layer has no such channel, or is the image itself.
            RuleError: The rules do not fit the model.
        """
        name = model.map_layer(None).name if config.layer is None else checked_layer(model, config.layer, "the layer")
        total = model.layers[name].channels
        for channel in config.channels or ():
            if not 0 <= channel < total:
                raise UsageError(f"layer {name!r} has channels 0 to {total - 1}, got {channel}")
        settings = settings_of(config)
        plan = Descent.of(model, ClassScore(0), settings, (name,)).plan
        notes: tuple[tuple[str, Any], ...] = (("layer_channels", total), ("unit", "relevance"), ("rules", plan.rules))
        return cls(
            layer=name,
            settings=settings,
            channels=config.channels,
            count=min(config.count, total) if config.channels is None else len(config.channels),
            order=config.order,
            notes=notes if config.channels else (*notes, ("select", "strongest")),
            warnings=plan.warnings("concept-relevance"),
        )

    @property
    def evaluations(self) -> int:
        """The channels that get a map."""
        return self.count

    def prepare(self, case: Case) -> dict[str, Array]:
        """Return what arrives at the layer and passes it, which channels are shown, and what passes by."""
        descent = Descent.of(case.model, case.target, self.settings, (self.layer,))
        from_score = descent.leg(case.image, None, (self.layer,))
        whole, stopped = from_score.down()
        here = stopped[self.layer]
        through = descent.leg(case.image, self.layer).down(here)[0].sum(-1)
        by = whole.sum(-1) - through if descent.may_pass_by((self.layer,)) else jnp.zeros_like(through)
        channels = here.reshape(-1, here.shape[-1]).sum(0)
        if self.channels is not None:
            shown = jnp.asarray(self.channels, jnp.int32)
        else:
            rank = jnp.abs(channels) if self.order == "size" else channels
            shown = jax.lax.top_k(rank, self.count)[1].astype(jnp.int32)
        return {
            "here": here, "through": through, "bypass": by, "channel_relevance": channels, "channels": shown,
            "relevance": channels[shown], "root": jnp.asarray(from_score.root),
        }  # fmt: skip

    def evaluate(self, case: Case) -> Float[Array, "h w"]:
        """Return the map of one channel."""
        descent = Descent.of(case.model, case.target, self.settings, (self.layer,))
        here = case.context["here"]
        passed = jnp.where(jnp.arange(here.shape[-1]) == case.context["channels"][case.index], here, 0)
        return descent.leg(case.image, self.layer).down(passed)[0].sum(-1)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, with what is left."""
        found = {name: value for name, value in case.context.items() if name not in ("here", "through")}
        rest = case.context["through"] - gathered.sum(0)
        return Heatmap(values=jnp.moveaxis(gathered, 0, -1), extras=found | {"rest": rest})
