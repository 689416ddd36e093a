"""Ablation-CAM: channels weighted by how far the score falls without each of them (Desai, Ramaswamy 2020)."""

from dataclasses import dataclass, replace
from typing import Any, Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map
from cnnviz_plugins.explain.cam.plugin import AblationCamConfig


@dataclass(frozen=True, kw_only=True)
class AblationCam(LayerMaps):
    """ReLU of the sum over channels k of (score - score without channel k) / |score| * A_k.

    A score of 0 divides nothing. The layer's map is computed once; every evaluation starts from it.

    Cost: per channel, one forward pass of the part above the layer.
    Source: Desai, Ramaswamy 2020, section 3, equations 3 and 4.
    """

    config: AblationCamConfig
    widths: tuple[int, ...] = ()

    @classmethod
    def build(cls, config: AblationCamConfig, model: Model) -> Self:
        """Return the fold for `model`, with the number of channels of each layer."""
        fold = super().build(config, model)
        return replace(fold, widths=tuple(model.layers[name].channels for name in fold.layers))

    @property
    def evaluations(self) -> int:
        """One per channel of every layer."""
        return sum(self.widths)

    def prepare(self, case: Case) -> tuple[Float[Array, ""], dict[str, Map]]:
        """Return the untouched score and the layers' values."""
        return case.model.score(case.image, case.target, read=self.layers)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without channel `index`, the layers' channels counted on."""
        values, first = case.context[1], 0
        changes: dict[str, Any] = {}
        for name, width in zip(self.layers, self.widths, strict=True):
            kept = jnp.arange(width) + first != case.index
            # The lowest layer's value is given, so nothing below it runs; those above follow from it.
            changes[name] = jnp.where(kept, values[name], 0) if not changes else _keeping(kept)
            first += width
        return case.model.score(case.image, case.target, replace=changes)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted."""
        score, values = case.context
        over = score if self.config.convention == "pytorch-grad-cam" else jnp.abs(score)
        weights = (score - gathered) / jnp.where(over == 0, 1, over)
        raws, first = [], 0
        for name, width in zip(self.layers, self.widths, strict=True):
            raws.append(values[name] @ weights[first : first + width])
            first += width
        return self.result(case.image, tuple(raws))


def _keeping(kept: Any) -> Any:
    return lambda value: jnp.where(kept, value, 0)
