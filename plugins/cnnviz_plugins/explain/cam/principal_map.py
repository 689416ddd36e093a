"""The channels of a layer along the direction in which they vary most, as one map."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_plugins.explain.layer_values import Map


def principal_map(values: Map, *, centred: bool) -> Float[Array, "rows cols"]:
    """Return the channels, one row per place, times their first right singular vector.

    A singular vector has no sign: the map is turned so that it agrees with the sum over channels, sum over places of
    map * sum not negative.

    Args:
        values: A layer's channels, weighted or not.
        centred: Whether each channel's mean is taken off first.

    Cost: the eigenvectors of a channels x channels (or places x places) matrix.
    """
    rows = values.astype(jnp.float32).reshape(-1, values.shape[-1])
    total = rows.sum(-1)
    if centred:
        rows = rows - rows.mean(0)
    line = rows @ _first_direction(rows)
    return jnp.where(line @ total < 0, -line, line).reshape(values.shape[:2])


def _first_direction(rows: Float[Array, "places channels"]) -> Float[Array, " channels"]:
    """The first right singular vector, from the smaller of the two Gram matrices; 0 for rows of zeros."""
    top = jnp.abs(rows).max()
    unit = rows / jnp.where(top > 0, top, 1)  # squares neither overflow nor vanish
    if rows.shape[0] < rows.shape[1]:
        vector = jnp.linalg.eigh(unit @ unit.T)[1][:, -1] @ unit
    else:
        vector = jnp.linalg.eigh(unit.T @ unit)[1][:, -1]
    length = jnp.sqrt(jax.lax.dot(vector, vector))
    return jnp.where(top > 0, vector / jnp.where(length > 0, length, 1), 0)
