"""Correlations of two rows of numbers, traceable; NaN where one of them is constant."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def pearson(one: Float[Array, " n"], other: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the linear correlation."""
    a, b = _standard(one), _standard(other)
    return jnp.clip((a * b).sum(), -1.0, 1.0)  # NaN stays NaN


def spearman(one: Float[Array, " n"], other: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the correlation of the ranks; equal numbers share the mean of their ranks."""
    return pearson(ranks(one), ranks(other))


def ranks(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return the rank of each number, from 0; equal ones share the mean of their ranks."""
    ordered = jnp.sort(values)
    first, last = (jnp.searchsorted(ordered, values, side=side).astype(values.dtype) for side in ("left", "right"))
    return (first + last - 1) / 2


def _standard(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Less their mean, over their norm; NaN for equal numbers."""
    # Divided by the largest first: squares of probabilities of 1e-25 would vanish.
    is_constant = values.max() == values.min()
    centred = values - values.mean()
    top = jnp.abs(centred).max()
    centred = centred / jnp.where(is_constant, 1.0, top)
    return jnp.where(is_constant, jnp.nan, centred / jnp.where(is_constant, 1.0, jnp.sqrt((centred**2).sum())))
