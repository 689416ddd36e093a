"""Weighted least squares of a few dozen unknowns, by the normal equations; what data leave open stays 0."""

from typing import Any

import jax
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
    vectors, inverse = _inverted(weighted, design, ridge)
    right = jnp.einsum("nk,n->k", weighted, outputs, precision="highest")
    along = jnp.einsum("kj,k->j", vectors, right, precision="highest")
    return jnp.einsum("kj,j->k", vectors, inverse * along, precision="highest")


def slope_errors(
    design: Float[Array, "n k"],
    residuals: Float[Array, " n"],
    weights: Float[Array, " n"],
    ridge: float = 0.0,
    *,
    together: int = 1,
    sum_to_zero: bool = False,
) -> Float[Array, " k"]:
    """Return the standard errors of the slopes that `least_squares` finds, over draws of the observations.

    The sandwich estimator: no assumption on how the score varies, only that observations were drawn independently. It
    is that of the slopes of endlessly many samples, not of how well a linear model fits. NaN where there are no more
    draws than unknowns.

    Args:
        design: One row per observation, centred where there was an intercept.
        residuals: What the model leaves.
        weights: Not negative; an observation of weight 0 was not drawn.
        ridge: The penalty.
        together: So many neighbouring observations are one draw, such as a coalition and its complement.
        sum_to_zero: Whether the slopes' mean is taken off them.

    Source: White 1980, Econometrica 48; Liang, Zeger 1986 for draws of several observations.
    """
    weighted = design * weights[:, None]
    vectors, eigenvalues = _inverted(weighted, design, ridge)
    inverse = jnp.einsum("kj,j,mj->km", vectors, eigenvalues, vectors, precision="highest")
    pulls = (weighted * residuals[:, None]).reshape(-1, together, design.shape[1]).sum(1)
    moves = jnp.einsum("nk,km->nm", pulls, inverse, precision="highest")
    if sum_to_zero:
        moves = moves - moves.mean(1, keepdims=True)
    draws = (weights.reshape(-1, together) > 0).any(1).sum().astype(jnp.float32)
    left = draws - (eigenvalues > 0).sum().astype(jnp.float32)
    return jnp.where(left > 0, jnp.sqrt((moves**2).sum(0) * draws / jnp.maximum(left, 1)), jnp.nan)


def _inverted(
    weighted: Float[Array, "n k"], design: Float[Array, "n k"], ridge: float
) -> tuple[Float[Array, "k k"], Float[Array, " k"]]:
    """Return eigenvectors of the normal equations, and one over each eigenvalue; 0 where the data leave it open."""
    gram = jnp.einsum("nj,nk->jk", weighted, design, precision="highest")
    values, vectors = jnp.linalg.eigh(gram + ridge * jnp.eye(design.shape[1], dtype=design.dtype))
    kept = values > jnp.maximum(values.max(), 0) * design.shape[1] * float(np.finfo(np.float32).eps)
    return vectors, jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)


def lasso_slopes(
    design: Float[Array, "n k"], outputs: Float[Array, " n"], share: Float[Array, " n"], penalty: float
) -> Float[Array, " k"]:
    """Return the u that makes sum of share * (outputs - design u)^2 / 2 + penalty * |u|_1 least.

    Coordinate descent on the normal equations, until nothing moves by more than a millionth of the largest, a thousand
    rounds at most.

    Args:
        design: One row per observation, centred.
        outputs: What is to be met, centred.
        share: Not negative, of sum 1: scikit-learn's Lasso is this with weights over their mean.
        penalty: Penalty on the sizes of the unknowns; scikit-learn's alpha.
    """
    gram = jnp.einsum("nj,n,nk->jk", design, share, design, precision="highest")
    right = jnp.einsum("nk,n,n->k", design, share, outputs, precision="highest")

    def move(place: Any, slopes: Array) -> Array:
        own = gram[place, place]
        pull = right[place] - gram[place] @ slopes + own * slopes[place]
        shrunk = jnp.sign(pull) * jnp.maximum(jnp.abs(pull) - penalty, 0)
        return slopes.at[place].set(jnp.where(own > 0, shrunk / jnp.where(own > 0, own, 1), 0))

    def once(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        slopes, _, number = state
        moved = jax.lax.fori_loop(0, len(slopes), move, slopes)
        return moved, jnp.abs(moved - slopes).max() > 1e-6 * jnp.abs(moved).max(), number + 1

    start = (jnp.zeros_like(right), jnp.asarray(True), jnp.int32(0))
    slopes, _, _ = jax.lax.while_loop(lambda state: state[1] & (state[2] < 1000), once, start)
    return slopes


def linear_model(
    design: Float[Array, "n k"],
    outputs: Float[Array, " n"],
    weights: Float[Array, " n"],
    ridge: float,
    lasso: float = 0.0,
) -> tuple[Float[Array, " k"], Float[Array, ""], Float[Array, ""]]:
    """Return slopes, intercept (not penalised) and the weighted R^2 of a linear model."""
    share = weights / weights.sum()
    centre, middle = share @ design, share @ outputs
    if lasso:
        slopes = lasso_slopes(design - centre, outputs - middle, share, lasso)
    else:
        slopes = least_squares(design - centre, outputs - middle, weights, ridge)
    intercept = middle - centre @ slopes
    error = share @ (outputs - intercept - design @ slopes) ** 2
    spread = share @ (outputs - middle) ** 2
    fit = jnp.where(spread > 0, 1 - error / jnp.where(spread > 0, spread, 1), 1)
    return slopes, intercept, fit
