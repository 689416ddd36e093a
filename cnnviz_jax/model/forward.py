"""The logits of several images, as one traceable function of a model and them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def forward(model: Any, images: Float[Array | np.ndarray, "n h w c"]) -> Any:
    """Return a model's logits of images in [0, 1], unchecked."""
    if model.structure.head is not None or model.program.computes_faster:
        return jax.vmap(lambda image: model.run(image)[0])(images)
    return jax.tree.map(as_float, model.structure.apply(model.params, jnp.asarray(images))[0])


def as_float(value: Array) -> Array:
    """Return floats of any precision as float32; whole numbers are left as they are."""
    return value.astype(jnp.float32) if jnp.issubdtype(value.dtype, jnp.floating) else value


def is_at_hand(leaf: Any) -> bool:
    """Return whether a parameter is a number where compiled programs expect it: not traced, not on another device."""
    return not isinstance(leaf, jax.Array) or (
        not isinstance(leaf, jax.core.Tracer) and leaf.devices() == {jax.local_devices()[0]}
    )
