"""Ablation-CAM: channels weighted by how far the score falls without each of them (Desai, Ramaswamy 2020)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap
from cnnviz_plugins.explain.cam.layer_maps import ChannelMaps
from cnnviz_plugins.explain.cam.plugin import AblationCamConfig
from cnnviz_plugins.explain.layer_values import Map


@dataclass(frozen=True, kw_only=True)
class AblationCam(ChannelMaps):
    """ReLU of the sum over channels k of (score - score without channel k) / |score| * A_k.

    A score of 0 divides nothing. The layer's map is computed once; every evaluation starts from it.

    Cost: per channel, one forward pass of the part above the layer.
    Source: Desai, Ramaswamy 2020, section 3, equations 3 and 4.
    """

    config: AblationCamConfig

    def prepare(self, case: Case) -> tuple[Float[Array, ""], dict[str, Map]]:
        """Return the untouched score and the layers' values."""
        return case.model.score(case.image, case.target, read=self.layers)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without channel `index`, the layers' channels counted on."""
        values = case.context[1]
        changes: dict[str, Any] = {}
        for name, first, end in self.spans:
            kept = jnp.arange(first, end) != case.index
            # The lowest layer's value is given, so nothing below it runs; those above follow from it.
            changes[name] = jnp.where(kept, values[name], 0) if not changes else _keeping(kept)
        return case.model.score(case.image, case.target, replace=changes)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted."""
        score, values = case.context
        over = score if self.config.convention == "pytorch-grad-cam" else jnp.abs(score)
        weights = (score - gathered) / jnp.where(over == 0, 1, over)
        return self.result(case.image, tuple(values[name] @ weights[first:end] for name, first, end in self.spans))


def _keeping(kept: Any) -> Any:
    return lambda value: jnp.where(kept, value, 0)
