"""The order in which pixels are taken: by a map, the strongest first."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def places(heat: Float[Array, "h w"]) -> Int[Array, "h w"]:
    """Return the place of each pixel, 0 for the strongest; equal ones in reading order."""
    order = jnp.argsort(-heat.reshape(-1), stable=True)
    count = jnp.arange(heat.size, dtype=jnp.int32)
    return jnp.zeros(heat.size, jnp.int32).at[order].set(count).reshape(heat.shape)
