"""Directions of a layer as part of a fold's identity: arrays that are compared by their bytes."""

import hashlib
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, Target


@dataclass(frozen=True)
class Directions:
    """Numbers that a compiled program holds; equal where their shape and bytes are."""

    digest: str
    array: Float[np.ndarray, "k ..."] = field(compare=False, repr=False)

    @classmethod
    def of(cls, array: Float[np.ndarray, "k ..."]) -> "Directions":
        """Return the directions of an array."""
        values = np.ascontiguousarray(array, np.float32)
        return cls(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest(), values)


def layer_gradient(
    model: Model, image: Float[Array, "h w c"], target: Target, layer: str, shape: tuple[int, ...]
) -> Float[Array, "..."]:
    """Return d score / d value of the layer, in its own shape; traceable."""

    def score(delta: Array) -> Array:
        return model.score(image, target, add={layer: delta})[0]

    return jax.grad(score)(jnp.zeros(shape, jnp.float32))


def layer_value(model: Model, image: Float[Array, "h w c"], layer: str) -> Float[Array, "..."]:
    """Return the layer's value; traceable."""
    return model.run(image, read=(layer,), need_outputs=False)[1][layer]
