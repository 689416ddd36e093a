"""Ablation-CAM: channels weighted by how far the score falls without each of them (Desai, Ramaswamy 2020)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Heatmap
from cnnviz_plugins.explain.cam.layer_maps import ChannelMaps
from cnnviz_plugins.explain.cam.plugin import AblationCamConfig
from cnnviz_plugins.explain.layer_values import Map

_FAR, _BATCH = 1e7, 32
"""`ABLATION_VALUE` of pytorch_grad_cam/ablation_layer.py and `batch_size` of its ablation_cam.py."""


@dataclass(frozen=True, kw_only=True)
class AblationCam(ChannelMaps):
    """ReLU of the sum over channels k of (score - score without channel k) / |score| * A_k.

    A score of 0 divides nothing. The layer's map is computed once; every evaluation starts from it.

    `pytorch-grad-cam` puts 0 in a channel's place only where the layer's least value is 0, as behind a ReLU. Elsewhere
    it is that least value less 1e7, for the next channel less 1e7 again, and so on, from the start after every 32nd:
    what its batches of 32 make of one array that is changed in place. Then no score says anything of the channel.

    Cost: per channel, one forward pass of the part above the layer.
    Source: Desai, Ramaswamy 2020, section 3, equations 3 and 4.
    """

    scores_only: ClassVar[bool] = True
    config: AblationCamConfig

    def prepare(self, case: Case) -> tuple[Float[Array, ""], dict[str, Map]]:
        """Return the untouched score and the layers' values."""
        return case.model.score(case.image, case.target, read=self.layers)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without channel `index`, the layers' channels counted on."""
        values = case.context[1]
        changes: dict[str, Any] = {}
        for name, first, end in self.spans:
            kept, instead = jnp.arange(first, end) != case.index, self._instead(values[name], case.index - first)
            # The lowest layer's value is given, so nothing below it runs; those above follow from it.
            changes[name] = jnp.where(kept, values[name], instead) if not changes else _keeping(kept, instead)
        return case.model.score(case.image, case.target, replace=changes)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted."""
        score, values = case.context
        over = score if self.config.convention == "pytorch-grad-cam" else jnp.abs(score)
        weights = (score - gathered) / jnp.where(over == 0, 1, over)
        raws = (self.joined(values[name] * weights[first:end]) for name, first, end in self.spans)
        return self.result(case.image, tuple(raws))

    def _instead(self, values: Map, channel: Int[Array, ""]) -> Float[Array, ""]:
        """What an ablated channel is."""
        least = values.min()
        if self.config.convention != "pytorch-grad-cam":
            return jnp.zeros_like(least)
        steps = [least - _FAR]
        for _ in range(1, _BATCH):  # one after the other, as rounding has it
            steps.append(steps[-1] - _FAR)
        return jnp.where(least == 0, 0, jnp.stack(steps)[channel % _BATCH])


def _keeping(kept: Any, instead: Any) -> Any:
    return lambda value: jnp.where(kept, value, instead)
