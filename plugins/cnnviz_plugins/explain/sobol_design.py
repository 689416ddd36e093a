"""The design of total Sobol indices: which strength each part has in each evaluation, for image parts and concepts."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.stats import qmc


def low_discrepancy(designs: int, columns: int) -> Float[Array, "designs columns"]:
    """Return the first points of a Sobol sequence; a power of two of them covers the cube evenly."""
    return jnp.asarray(qmc.Sobol(columns, scramble=False).random(designs).astype(np.float32))


def strengths(design: Float[Array, "designs twice"], index: Int[Array, ""]) -> Float[Array, " count"]:
    """Return row index % designs of matrix index // designs: A, B, then A with one column of B after the other."""
    designs, count = design.shape[0], design.shape[1] // 2
    row, matrix = design[index % designs], index // designs
    from_b = (matrix == 1) | (jnp.arange(count) == matrix - 2)
    return jnp.where(from_b, row[count:], row[:count])
