"""Score-CAM: channels weighted by the score of the image seen through each of them (Wang et al. 2020).

Faster-Score-CAM looks through those channels alone that vary most over the map (Li 2020).
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Heatmap, Model
from cnnviz_plugins.explain.cam.layer_maps import ChannelMaps
from cnnviz_plugins.explain.cam.plugin import FasterScoreCamConfig, ScoreCamConfig
from cnnviz_plugins.explain.cam.postprocess import resized, scaled
from cnnviz_plugins.explain.layer_values import Map, values_of


@dataclass(frozen=True, kw_only=True)
class ScoreCam(ChannelMaps):
    """ReLU of the sum over channels k of softmax_k(score of the input masked by channel k) * A_k.

    The mask is the channel's map, enlarged, moved and divided to run from 0 to 1; a channel of one value masks all.
    It multiplies the network's own input, so that what is masked looks as what the model subtracts.

    `pytorch-grad-cam` enlarges with the corners' centres on each other; `torchcam` scales first, so that an enlarged
    mask reaches 0 and 1 only where the channel does so at a pixel's centre.

    With `masked="layer"` it multiplies the layer's map in place of the image, and nothing below is evaluated again.

    Cost: one forward pass per channel; with `masked="layer"` only of the part above the layer.
    Source: Wang et al. 2020, section 3.2, algorithm 1. The untouched score, subtracted there, cancels in the softmax.
    """

    scores_only: ClassVar[bool] = True
    config: ScoreCamConfig

    def prepare(self, case: Case) -> "_Context":
        """Return the layers' values, and which channels are looked through."""
        values = values_of(case.model, case.image, *self.layers)
        return _Context(
            values, {name: self.looked_through(values[name], end - first) for name, first, end in self.spans}
        )

    def looked_through(self, values: Map, count: int) -> Int[Array, " count"]:
        """Return the numbers of a layer's channels that are looked through."""
        return jnp.arange(count)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score through channel `index`, the layers' channels counted on."""
        if self.config.masked == "image":
            size = case.image.shape[:2]
            mask = jnp.zeros(size, case.image.dtype)
            for _, channel, here in self._asked(case.context, case.index):
                mask = mask + jnp.where(here, self._mask(channel, size), 0)
            mean = jnp.asarray(case.model.structure.mean, case.image.dtype)
            return case.model.score(mean + (case.image - mean) * mask[:, :, None], case.target)[0]
        changes: dict[str, Any] = {}
        for name, channel, here in self._asked(case.context, case.index):
            mask = jnp.where(here, scaled(channel, "min-max"), 1)[:, :, None]
            changes[name] = case.context.values[name] * mask if not changes else (lambda value, mask=mask: value * mask)
        return case.model.score(case.image, case.target, replace=changes)[0]

    def _mask(self, channel: Float[Array, "r c"], size: tuple[int, ...]) -> Float[Array, "h w"]:
        """A channel as a mask of the image."""
        if self.config.convention == "torchcam":  # torchcam/methods/activation.py
            return resized(scaled(channel, "min-max", 1e-8), size, "linear", self.volumes)
        if self.config.convention == "pytorch-grad-cam":  # pytorch_grad_cam/score_cam.py: UpsamplingBilinear2d
            return scaled(resized(channel, size, "corners", self.volumes), "min-max", 1e-8)
        return scaled(resized(channel, size, "linear", self.volumes), "min-max")

    def _asked(self, context: "_Context", index: Int[Array, ""]) -> list[tuple[str, Float[Array, "r c"], Any]]:
        """Per layer: its name, the channel that `index` means if it means this layer, and whether it does."""
        found = []
        for name, first, end in self.spans:
            number = jnp.clip(index - first, 0, end - first - 1)
            channel = jax.lax.dynamic_index_in_dim(context.values[name], context.numbers[name][number], 2, False)
            found.append((name, channel, (index >= first) & (index < end)))
        return found

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted."""
        values, numbers = case.context
        raws = (
            self.joined(values[name][..., numbers[name]] * jax.nn.softmax(gathered[first:end]))
            for name, first, end in self.spans
        )
        return self.result(case.image, tuple(raws))


class _Context(NamedTuple):
    """What all channels of one image share."""

    values: dict[str, Map]
    numbers: dict[str, Int[Array, " looked_through"]]
    """Which channels of each layer are looked through."""


@dataclass(frozen=True, kw_only=True)
class FasterScoreCam(ScoreCam):
    """Score-CAM over the `channels` of each layer that have the largest standard deviation over places.

    Of equal ones the first. The softmax is over the channels looked through. `extras["channels"]` are their numbers,
    the most variable first; of several layers one after the other.

    Cost: one forward pass up to the layer, and one per channel looked through.
    Source: Li 2020, github.com/tabayashi0117/Score-CAM.
    """

    config: FasterScoreCamConfig

    @classmethod
    def laid_out(cls, config: FasterScoreCamConfig, model: Model) -> Self:
        """Return the fold for `model`, with how many channels are looked through."""
        fold = super().laid_out(config, model)
        widths = tuple(min(width, config.channels) for width in fold.widths)
        return replace(fold, widths=widths, notes=(*fold.notes, ("channels", widths)))

    def looked_through(self, values: Map, count: int) -> Int[Array, " count"]:
        """Return the numbers of the channels that vary most."""
        numbers: Array = jax.lax.top_k(values.std((0, 1)), count)[1]
        return numbers

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the maps, weighted, and which channels they are made of."""
        found = super().finish(case, gathered)
        numbers = jnp.concatenate([case.context.numbers[name] for name in self.layers])
        return replace(found, extras={**found.extras, "channels": numbers})
