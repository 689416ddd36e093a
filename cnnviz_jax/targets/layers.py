"""Targets of a whole layer: a direction, the mean of squares, the inner part of a channel, diversity."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import TargetError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.targets.target import LayerTarget, one_each
from cnnviz_jax.targets.units import Channel

_LEAST_COSINE = 0.1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Direction(LayerTarget):
    """How far a layer's values point along a vector: dot * max(0.1, cosine)^power.

    A vector over channels is compared at every position, and the mean taken; a vector of the whole map's shape
    (h, w, c) is compared once. Source: Lucid, `optvis/objectives.py`, `direction` and `_dot_cossim`.
    """

    layer: str = static()
    vector: Float[Array, "*n c"] | Float[Array, "*n h w c"]  # type: ignore[misc]  # static() gives no default
    power: float = static(default=0.0)
    at: Literal["all", "middle"] = static(default="all")
    """Where a vector over channels is compared: at every position, or at the map's middle one alone."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean over positions."""
        value = activations[self.layer]
        if self.vector.ndim > 1:
            value, vector = value.reshape(1, -1), self.vector.reshape(-1)
        else:
            if self.at == "middle":
                value = value[tuple(length // 2 for length in value.shape[:-1])]
            value, vector = value.reshape(-1, value.shape[-1]), self.vector
        dot = value @ vector
        if self.power == 0:
            return dot.mean()
        # Added under the root, so that the gradient at an all-zero layer is zero and not NaN.
        lengths = jnp.sqrt(jnp.square(value).sum(-1) + 1e-12) * jnp.sqrt(jnp.square(vector).sum() + 1e-12)
        return (dot * jnp.maximum(_LEAST_COSINE, dot / (lengths + 1e-6)) ** self.power).mean()

    def check(self, model: Model) -> None:
        """Raise `TargetError` if the vector has another length than the layer has channels."""
        channels = model.layers[self.layer].channels
        if np.shape(self.vector)[-1] != channels:
            found = np.shape(self.vector)[-1]
            raise TargetError(f"a direction in {self.layer!r} has {channels} numbers, one per channel; got {found}")

    def batched(self, count: int) -> Self:
        """Return it with one vector per target; a single vector serves all."""
        vector = jnp.asarray(self.vector, jnp.float32)
        rank = 1 if vector.ndim < 3 else 3
        return dataclasses.replace(self, vector=one_each(vector, count, "vectors", rank=rank))

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return texts such as `conv3 direction 0`."""
        vector = np.asarray(self.vector)
        count = len(vector) if vector.ndim in (2, 4) else 1
        return tuple(f"{self.layer} direction {i}" for i in range(count))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeLayer(LayerTarget):
    """The mean of squares over a whole layer: whatever is there, more of it.

    Source: Mordvintsev, Olah, Tyka 2015, "Inceptionism"; Lucid's `deepdream` objective.
    """

    layer: str = static()
    number: Float[Array, "*n"] | float = 0.0
    """Nothing but a place for the batch axis."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of squares."""
        return jnp.square(activations[self.layer]).mean()

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return the layer's name."""
        return (f"{self.layer} mean of squares",) * np.atleast_1d(np.asarray(self.number)).size


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InnerChannel(Channel):
    """The mean of one channel without the outermost positions, where padding makes artefacts."""

    border: int = static(default=2)

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the mean of the channel's map without `border` positions at every side; all of it if too small."""
        value, edge = activations[self.layer], self.border
        if value.ndim == 3 and min(value.shape[:2]) > 2 * edge > 0:
            value = value[edge:-edge, edge:-edge]
        return value.reshape(-1, value.shape[-1]).mean(0)[self.channel]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Diversity(LayerTarget):
    """How different the images of a group look to a layer: minus the mean cosine of their Gram matrices.

    Every image is scored against all others of its group; alone it scores 0.
    Source: Olah, Mordvintsev, Schubert 2017, "Feature Visualization", Distill; Lucid's `diversity` objective.
    """

    layer: str = static()
    number: Float[Array, "*n"] | float = 0.0
    """Nothing but a place for the batch axis."""

    def score(self, outputs: Any, activations: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return 0: an image alone is not diverse."""
        return jnp.zeros(())

    def score_group(self, value: Float[Array, "k ..."]) -> Float[Array, " k"]:
        """Return the score of each image of a group from the layer's values of all."""
        count = len(value)
        flat = value.reshape(count, -1, value.shape[-1])
        grams = jnp.einsum("kpc,kpd->kcd", flat, flat).reshape(count, -1)
        grams = grams / jnp.sqrt(jnp.square(grams).sum(-1, keepdims=True) + 1e-10)
        cosines = grams @ grams.T
        return -(cosines.sum(-1) - jnp.diagonal(cosines)) / max(count - 1, 1)

    def describe(self, model: Model) -> tuple[str, ...]:
        """Return the layer's name."""
        return (f"diversity at {self.layer}",) * np.atleast_1d(np.asarray(self.number)).size


def direction(layer: str, vector: Any, power: float = 0.0, at: Literal["all", "middle"] = "all") -> Direction:
    """Return the target "along `vector` in a layer": one vector, or one per target.

    Args:
        layer: The layer.
        vector: One number per channel; with a leading axis, one vector per target.
        power: How much the angle counts beside the length.
        at: `all`: the mean over the layer's positions. `middle`: its middle position alone.

    Raises:
        TargetError: `at` is neither.
    """
    if at not in ("all", "middle"):
        raise TargetError(f"a direction is compared at all positions or at the middle one, got {at!r}")
    return Direction(layer=layer, vector=jnp.asarray(vector, jnp.float32), power=power, at=at)


def whole_layer(layer: str) -> WholeLayer:
    """Return the target "mean of squares of a layer", DeepDream's."""
    return WholeLayer(layer=layer)


def diversity(layer: str) -> Diversity:
    """Return the target "images of one group look different to a layer"; add a multiple of it to others."""
    return Diversity(layer=layer)
