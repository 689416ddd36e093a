"""Score-CAM: channels weighted by the score of the image seen through each of them (Wang et al. 2020)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Heatmap
from cnnviz_plugins.explain.cam.layer_maps import ChannelMaps
from cnnviz_plugins.explain.cam.plugin import ScoreCamConfig
from cnnviz_plugins.explain.cam.postprocess import resized, scaled
from cnnviz_plugins.explain.layer_values import Map, values_of


@dataclass(frozen=True, kw_only=True)
class ScoreCam(ChannelMaps):
    """ReLU of the sum over channels k of softmax_k(score of the input masked by channel k) * A_k.

    The mask is the channel's map, enlarged, moved and divided to run from 0 to 1; a channel of one value masks all.
    It multiplies the network's own input, so that what is masked looks as what the model subtracts.

    With `masked="layer"` it multiplies the layer's map in place of the image, and nothing below is evaluated again.

    Cost: one forward pass per channel; with `masked="layer"` only of the part above the layer.
    Source: Wang et al. 2020, section 3.2, algorithm 1. The untouched score, subtracted there, cancels in the softmax.
    """

    config: ScoreCamConfig

    def prepare(self, case: Case) -> dict[str, Map]:
        """Return the layers' values."""
        return values_of(case.model, case.image, *self.layers)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score through channel `index`, the layers' channels counted on."""
        if self.config.masked == "image":
            size = case.image.shape[:2]
            mask = jnp.zeros(size, case.image.dtype)
            for _, channel, here in self._asked(case.context, case.index):
                mask = mask + jnp.where(here, scaled(resized(channel, size, "linear"), "min-max"), 0)
            mean = jnp.asarray(case.model.structure.mean, case.image.dtype)
            return case.model.score(mean + (case.image - mean) * mask[:, :, None], case.target)[0]
        changes: dict[str, Any] = {}
        for name, channel, here in self._asked(case.context, case.index):
            mask = jnp.where(here, scaled(channel, "min-max"), 1)[:, :, None]
            changes[name] = case.context[name] * mask if not changes else (lambda value, mask=mask: value * mask)
        return case.model.score(case.image, case.target, replace=changes)[0]

    def _asked(self, context: dict[str, Map], index: Int[Array, ""]) -> list[tuple[str, Float[Array, "r c"], Any]]:
        """Per layer: its name, the channel that `index` means if it means this layer, and whether it does."""
        found = []
        for name, first, end in self.spans:
            number = jnp.clip(index - first, 0, end - first - 1)
            channel = jax.lax.dynamic_index_in_dim(context[name], number, 2, False)
            found.append((name, channel, (index >= first) & (index < end)))
        return found

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted."""
        raws = (case.context[name] @ jax.nn.softmax(gathered[first:end]) for name, first, end in self.spans)
        return self.result(case.image, tuple(raws))
