"""Relevance in place of the gradient: functions whose value is a layer's and whose backward pass shares relevance.

What flows backward through these is relevance itself, not a derivative: `jax.grad` of a score through a program made
of them is the relevance of the image. They are made of `stop_gradient` and products alone, so `jit`, `vmap`
and memory planning treat them like any program. Relevances of a value with several readers add up, as cotangents do.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

TINY = 1e-30
"""Below this a denominator without a stabiliser counts as zero: nothing is shared."""


def scaled(value: Float[Array, "..."], factor: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `value`; what comes back to it is multiplied by `factor`."""
    fixed = lax.stop_gradient(value)
    return fixed + lax.stop_gradient(factor) * (value - fixed)


def taken(value: Float[Array, "..."], part: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `part` of a value; what comes back is multiplied by that part and goes to the value."""
    part = lax.stop_gradient(part)
    return part + part * (value - lax.stop_gradient(value))


def valued(value: Float[Array, "..."], way: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `value`; what comes back goes the way that `way` was computed."""
    return lax.stop_gradient(value) + (way - lax.stop_gradient(way))


def passed(value: Float[Array, "..."], source: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `value`; what comes back goes to `source` unit by unit."""
    step = jnp.broadcast_to(source - lax.stop_gradient(source), value.shape)
    return lax.stop_gradient(value) + step.astype(value.dtype)


def inverse(total: Float[Array, "..."], epsilon: float) -> Float[Array, "..."]:
    """Return 1 / (total + epsilon sign(total)), the sign of 0 being +; without epsilon 0 where the total is 0."""
    moved = total + jnp.where(total >= 0, epsilon, -epsilon).astype(total.dtype)
    is_zero = jnp.abs(moved) < TINY
    return jnp.where(is_zero, 0, 1 / jnp.where(is_zero, 1, moved))


def shared(
    function: Callable[..., Array], inputs: Sequence[Float[Array, "..."]], epsilon: float, portion: float = 1.0
) -> Float[Array, "..."]:
    """Return `function(*inputs)`; each input gets its product with its gradient, relative to the value.

    For a linear function these are the shares of the summands, so relevance is conserved. `portion` is what all
    of them are multiplied by: a product of two values gives each the whole, so half of it conserves.
    """
    value = function(*(taken(each, each) for each in inputs))
    return scaled(value, portion * inverse(lax.stop_gradient(value), epsilon))


def rooted(value: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `value`; a gradient that comes back becomes relevance: value times gradient."""
    return taken(value, value)
