"""Total Sobol indices of image parts and concepts: how strong each is in each evaluation, and what scores tell."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.stats import qmc


def sobol_points(designs: int, columns: int) -> Float[Array, "designs columns"]:
    """Return the first points of a Sobol sequence; a power of two of them covers the cube evenly."""
    return jnp.asarray(qmc.Sobol(columns, scramble=False).random(designs).astype(np.float32))


def sobol_strengths(design: Float[Array, "designs twice"], index: Int[Array, ""]) -> Float[Array, " count"]:
    """Return row index % designs of matrix index // designs: A, B, then A with one column of B after the other."""
    designs, count = design.shape[0], design.shape[1] // 2
    # 3 designs of 2 parts: evaluations 0 to 2 are A, 3 to 5 B, 6 to 8 A with part 0 of B, 9 to 11 A with part 1 of B.
    row, matrix = design[index % designs], index // designs
    from_b = (matrix == 1) | (jnp.arange(count) == matrix - 2)
    return jnp.where(from_b, row[count:], row[:count])


def sobol_indices(scores: Float[Array, " n"], designs: int) -> tuple[Float[Array, " count"], Float[Array, " count"]]:
    """Return the total and the first-order index of each part by Jansen's estimator; zeros where no score varies."""
    # Jansen 1999: total index i = sum (f(A) - f(A, i of B))**2 / (2 n V), what is left to vary when all parts but i are
    # known; first order = 1 - sum (f(B) - f(A, i of B))**2 / (2 n V), as those two have part i alone in common.
    at_a, at_b, *mixed = scores.reshape(-1, designs)
    from_a, from_b = (((at - jnp.stack(mixed)) ** 2).sum(1) for at in (at_a, at_b))
    spread = 2 * designs * at_a.var(ddof=1)
    varies = spread > 0
    over = jnp.where(varies, spread, 1)
    return jnp.where(varies, from_a / over, 0), jnp.where(varies, 1 - from_b / over, 0)
