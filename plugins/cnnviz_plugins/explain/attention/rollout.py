"""Attention rollout: attention of all layers multiplied up (Abnar, Zuidema 2020)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model
from cnnviz_plugins.explain.attention.layers import AttentionLayers
from cnnviz_plugins.explain.attention.plugin import AttentionRolloutConfig

FUSE: dict[str, Callable[..., Array]] = {"mean": jnp.mean, "max": jnp.max, "min": jnp.min}


@dataclass(frozen=True, kw_only=True)
class AttentionRollout(Fold):
    """How much of each token reaches the scores, (h, w), if values were only handed on: never negative.

    Each layer's attention, its heads' mean, is averaged with the identity for the skip connection, its rows made to sum
    to 1, and the layers multiplied, the last one leftmost. The map is the row of the class token over the patches;
    where no token stands beside the patches, the mean of all rows. It is the same for every class: nothing but
    attention is looked at. `low_res` is the map at the tokens' grid.

    Raises (when built):
        LayerKindError: The model has no attention between tokens that form a grid.

    Cost: one forward pass.
    Source: Abnar, Zuidema 2020, section 3.
    """

    config: AttentionRolloutConfig

    @classmethod
    def build(cls, config: AttentionRolloutConfig, model: Model) -> "AttentionRollout":
        """Return the fold for `model`."""
        layers = AttentionLayers.of(model, config.layers)
        return cls(config=config, notes=(("layers", layers.names), ("heads", config.heads)))

    def evaluate(self, case: Case) -> Heatmap:
        """Return the map."""
        layers = AttentionLayers.of(case.model, self.config.layers)
        values = case.model.run(case.image, read=layers.names, need_outputs=False)[1]
        each = [layers.heads(values[name]) for name in layers.names]
        return layers.shown(layers.read(rollout(each, self.config.heads, self.config.discard)), case.image)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it."""
        return Heatmap(values=gathered.values[0], low_res=gathered.low_res[0])


def rollout(
    attention: Sequence[Float[Array, "heads q k"]], heads: str = "mean", discard: float = 0.0
) -> Float[Array, "q k"]:
    """Return the product of the layers' attention, each half of it and half identity; rows sum to 1.

    Args:
        attention: Of every layer, the first one first.
        heads: How heads become one: `mean`, `max` or `min`.
        discard: Share of the lowest weights of each layer that becomes 0.
    """
    total = jnp.eye(attention[0].shape[-1])
    for each in attention:
        one = FUSE[heads](each, axis=0)
        if discard:
            one = jnp.where(one >= jnp.quantile(one, discard), one, 0)
        mixed = (one + jnp.eye(one.shape[-1])) / 2
        total = (mixed / mixed.sum(-1, keepdims=True)) @ total
    return total
