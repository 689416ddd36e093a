"""Directions made of data: mixtures of centres, each moved by a little (relaxed archetypal dictionaries)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def mixtures(weights: Float[Array, "k m"]) -> Float[Array, "k m"]:
    """Return the nearest rows that are mixtures in this sense: not negative, divided by their sum."""
    positive = jax.nn.relu(weights)
    return positive / jnp.maximum(positive.sum(1, keepdims=True), 1e-12)


def shortened(moves: Float[Array, "k c"], delta: float) -> Float[Array, "k c"]:
    """Return the rows, those longer than `delta` shortened to it."""
    length = jnp.sqrt(jnp.square(moves).sum(1, keepdims=True))
    return moves * jnp.minimum(1.0, delta / jnp.maximum(length, 1e-12))


def archetypes(
    weights: Float[Array | np.ndarray, "k m"],
    moves: Float[Array | np.ndarray, "k c"],
    size: Float[Array | np.ndarray, ""],
    centres: Float[Array | np.ndarray, "m c"],
) -> Float[Array, "k c"]:
    """Return the directions: `exp(size) (weights centres + moves)`.

    Source: Fel et al. 2025, arXiv:2502.12892, equation 4.
    """
    return jnp.exp(size) * (jnp.einsum("km,mc->kc", weights, centres, precision="highest") + moves)
