"""The activation of one unit, or of one channel over all positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import LayerTarget, check_numbers


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Neuron(LayerTarget):
    """The activation of one unit: layer, position, channel; for layers without a map, `row` and `col` are 0."""

    layer: str = static()
    channel: Int[Array, "*n"] | int
    row: Int[Array, "*n"] | int = 0
    col: Int[Array, "*n"] | int = 0

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the unit's value."""
        value = activations[self.layer]
        return value[self.row, self.col, self.channel] if value.ndim == 3 else value.reshape(-1)[self.channel]

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the position or channel is outside the layer."""
        *size, channels = model.layers[self.layer].shape
        sizes = {"channel": channels} | (dict(zip(("row", "col"), size, strict=True)) if len(size) == 2 else {})
        for word, count in sizes.items():
            check_numbers(word, getattr(self, word), count, f"layer {self.layer!r}")

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `conv3[4, 5, 17]`."""
        channel, row, col = np.broadcast_arrays(
            *map(np.atleast_1d, map(np.asarray, (self.channel, self.row, self.col)))
        )
        return tuple(f"{self.layer}[{r}, {c}, {k}]" for k, r, c in zip(channel, row, col, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Channel(LayerTarget):
    """The mean activation of one channel over all positions of a layer."""

    layer: str = static()
    channel: Int[Array, "*n"] | int

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of the channel's map."""
        value = activations[self.layer]
        return value.reshape(-1, value.shape[-1]).mean(0)[self.channel]

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the layer has no such channel."""
        check_numbers("channel", self.channel, model.layers[self.layer].channels, f"layer {self.layer!r}")

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `conv3 channel 17`."""
        return tuple(f"{self.layer} channel {int(i)}" for i in np.atleast_1d(np.asarray(self.channel)))


def neuron(layer: str, row: int, col: int, channel: int) -> Neuron:
    """Return the target "activation of the unit at (row, col) of one channel"."""
    return Neuron(layer=layer, channel=channel, row=row, col=col)


def channel(layer: str, channel: int | Sequence[int]) -> Channel:
    """Return the target "mean activation of a channel", one index or one per image."""
    return Channel(layer=layer, channel=jnp.asarray(channel))
