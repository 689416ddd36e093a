"""Weighted least squares of a few dozen unknowns, by the normal equations; what data leave open stays 0."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def least_squares(
    design: Float[Array, "n k"], outputs: Float[Array, " n"], weights: Float[Array, " n"], ridge: float = 0.0
) -> Float[Array, " k"]:
    """Return the u that makes sum of weights * (outputs - design u)^2 + ridge * |u|^2 least; of several, the shortest.

    Args:
        design: One row per observation.
        outputs: What is to be met.
        weights: Not negative.
        ridge: Penalty on the squared unknowns.

    Cost: the eigenvectors of one k x k matrix.
    """
    weighted = design * weights[:, None]
    gram = jnp.einsum("nj,nk->jk", weighted, design, precision="highest")
    gram = gram + ridge * jnp.eye(design.shape[1], dtype=design.dtype)
    right = jnp.einsum("nk,n->k", weighted, outputs, precision="highest")
    values, vectors = jnp.linalg.eigh(gram)
    cut = jnp.maximum(values.max(), 0) * design.shape[1] * float(np.finfo(np.float32).eps)
    kept = values > cut
    inverse = jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)
    along = jnp.einsum("kj,k->j", vectors, right, precision="highest")
    return jnp.einsum("kj,j->k", vectors, inverse * along, precision="highest")


def linear_model(
    design: Float[Array, "n k"], outputs: Float[Array, " n"], weights: Float[Array, " n"], ridge: float
) -> tuple[Float[Array, " k"], Float[Array, ""], Float[Array, ""]]:
    """Return slopes, intercept (not penalised) and the weighted R^2 of a linear model."""
    share = weights / weights.sum()
    centre, middle = share @ design, share @ outputs
    slopes = least_squares(design - centre, outputs - middle, weights, ridge)
    intercept = middle - centre @ slopes
    error = share @ (outputs - intercept - design @ slopes) ** 2
    spread = share @ (outputs - middle) ** 2
    fit = jnp.where(spread > 0, 1 - error / jnp.where(spread > 0, spread, 1), 1)
    return slopes, intercept, fit
