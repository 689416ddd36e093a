"""A grid of numbers multiplied by a matrix along each of its axes, as grids become maps."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def along_axes(grid: Float[Array, "..."], matrices: Sequence[Array]) -> Float[Array, "..."]:
    """Return the grid with axis k, as long as matrix k has columns, turned to as many places as it has rows.

    Args:
        grid: The numbers.
        matrices: One (places, count) for each axis.
    """
    first, *between, last = matrices
    whole = jnp.tensordot(first, grid, 1, precision="highest")
    for axis, matrix in enumerate(between, 1):
        whole = jnp.moveaxis(jnp.tensordot(whole, matrix, (axis, 1), precision="highest"), -1, axis)
    return jnp.matmul(whole, last.T, precision="highest")
