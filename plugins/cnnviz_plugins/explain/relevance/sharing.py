"""Relevance in place of the gradient: functions whose value is a layer's and whose backward pass shares relevance.

What flows backward through these is relevance itself, not a derivative: `jax.grad` of a score through a program made
of them is the relevance of the image. They are made of `stop_gradient` and products alone, so `jit`, `vmap`
and memory planning treat them like any program. Relevances of a value with several readers add up, as cotangents do.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# How relevance is a cotangent. Let y = f(x) be a layer. Reverse mode hands x the product of y's cotangent with dy/dx,
# and is linear in it; so a function with f's value whose derivative is x_i w_ij / y_j in place of w_ij turns the
# cotangent R_j of y into R_i = sum_j x_i w_ij R_j / y_j, the epsilon rule, with no code of ours running backward.
# Such functions are built from v - stop_gradient(v), which is 0 with derivative 1:
#     taken(x, p)   = p + p (x - stop(x))    value p, derivative p: what comes back is multiplied by p
#     scaled(z, s)  = z + s (z - stop(z))    value z, derivative s
#     valued(y, z)  = y + (z - stop(z))      value y, derivative that of z
# (with stop around p, s, y and the first z). Then valued(y, scaled(W taken(x, x), 1 / y)) shares y's relevance among x.
# With W = (1, 2), x = (3, 1), y = 5 and R = 5: R = (3 * 1, 1 * 2) * 5 / 5 = (3, 2).

TINY = 1e-30
"""Below this a denominator without a stabiliser counts as zero: nothing is shared."""


def scaled(value: Float[Array, "..."], factor: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `value`; what comes back to it is multiplied by `factor`."""
    fixed = lax.stop_gradient(value)
    return fixed + lax.stop_gradient(factor) * (value - fixed)


def taken(value: Float[Array, "..."], part: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `part` of a value; what comes back is multiplied by that part and goes to the value."""
    part = lax.stop_gradient(part)
    if part.shape == value.shape and part.dtype == value.dtype:  # `lax`, as in `inverse`
        return lax.add(part, lax.mul(part, lax.sub(value, lax.stop_gradient(value))))
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
    # The outer `where` alone would do forward. Backward, 0 * (1 / 0) is NaN, so the division sees no 0 either.
    # Operations of `lax`, as each of `jnp` is a function of its own to trace: this one stands at every layer.
    zero, one, small = (lax.full_like(total, number) for number in (0, 1, epsilon))
    moved = lax.add(total, lax.select(lax.ge(total, zero), small, lax.neg(small)))
    is_zero = lax.lt(lax.abs(moved), lax.full_like(moved, TINY))
    return lax.select(is_zero, zero, lax.div(one, lax.select(is_zero, one, moved)))


def shared(
    function: Callable[..., Array], inputs: Sequence[Float[Array, "..."]], epsilon: float, portion: float = 1.0
) -> Float[Array, "..."]:
    """Return `function(*inputs)`; each input gets its product with its gradient, relative to the value.

    For a linear function these are the shares of the summands, so relevance is conserved. `portion` is what all
    of them are multiplied by: a product of two values gives each the whole, so half of it conserves.
    """
    # taken(x, x) multiplies what comes back by x, scaled(y, 1 / y) divides it by y: R_x = x dy/dx R_y / y. For y = a +
    # b with a = 3, b = 1, R = 8: 6 and 2.
    value = function(*(taken(each, each) for each in inputs))
    return scaled(value, portion * inverse(lax.stop_gradient(value), epsilon))


def softmaxed(function: Callable[..., Array], x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `function(x)`, a softmax p of x; each x_i gets x_i (R_i - p_i sum R), what is left is a bias' share.

    It is the Taylor expansion at x (Achtibat et al. 2024, arXiv:2402.05602, proposition 3.1). Minus infinity, as masks
    have it, gets nothing.
    """
    # x_i sum_j R_j / p_j dp_j / dx_i, as dp_j / dx_i = p_j (1[i = j] - p_i). A lowest finite number is 0 in the softmax
    # too, and 0 times it is 0.
    return shared(function, [jnp.nan_to_num(x, nan=jnp.nan, posinf=jnp.inf)], 0.0)
