"""The rules: how a layer with weights shares relevance among its inputs.

Throughout `x` is the layer's input, `W` its weights with all that follows affinely folded in, `b` its bias, and a rule
is the layer's value together with the way back. Positive and negative parts are written `+` and `-`.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from cnnviz_plugins.explain.relevance.composites import Rule
from cnnviz_plugins.explain.relevance.linear import FoldedLayer, clipped
from cnnviz_plugins.explain.relevance.sharing import inverse, passed, scaled, taken, valued


def ruled(
    rule: Rule,
    layer: FoldedLayer,
    x: Float[Array, "..."],
    value: Float[Array, "..."],
    bias: Float[Array, "..."],
    *,
    bounds: tuple[Float[Array, "..."], Float[Array, "..."]] | None,
    epsilon: float,
) -> Float[Array, "..."]:
    """Return `value`, with the rule as its way back to `x`.

    Args:
        rule: Which rule.
        layer: The layer.
        x: Its input.
        value: What it computes, `W x` and its own bias.
        bias: The bias that takes a share; zeros where it takes none.
        bounds: The least and the greatest that `x` can be, for the rule z^B.
        epsilon: Stabiliser of the denominators.
    """
    # With z_ij = x_i w_ij and z_j = sum_i z_ij + b_j (Bach et al. 2015, eq. 58 to 60; Montavon et al. 2019, table
    # 10.1):
    #     epsilon      R_i = sum_j z_ij / (z_j + eps sign z_j) R_j
    #     z+           R_i = sum_j z_ij+ / (sum_i z_ij+ + b_j+) R_j
    #     alpha-beta   R_i = sum_j (alpha z_ij+ / sum z+ - beta z_ij- / sum z-) R_j,  alpha - beta = 1
    #     gamma        R_i = sum_j x_i (w_ij + gamma w_ij+) / sum of the same R_j
    #     z^B          R_i = sum_j (x_i w_ij - low_i w_ij+ - high_i w_ij-) / sum of the same R_j
    #     flat, w^2    R_i = sum_j 1 / (number of i) R_j,  w_ij^2 / sum of the same R_j
    #     identity     R_i = R_i, where the layer has as many outputs as inputs
    # Each is numerators over their own sum (and bias): `way` computes that sum as a function of x whose derivative has
    # x_i, low_i, high_i or 1 in front of the weights, and `scaled` divides what comes back by it.
    bias = lax.stop_gradient(bias)
    if rule.word == "epsilon":
        way = layer.whole(taken(x, x))
        return valued(value, scaled(way, inverse(way + bias, rule.number)))
    if rule.word in ("z+", "alpha-beta"):
        alpha = 1.0 if rule.word == "z+" else rule.number
        way = _part(layer, x, bias, 1, alpha, epsilon)
        if alpha > 1:
            way = way + _part(layer, x, bias, -1, 1 - alpha, epsilon)
        return valued(value, way)
    if rule.word == "gamma":
        return valued(value, _gamma(rule.number, layer, x, value, bias, epsilon))
    if rule.word == "identity":
        return passed(value, x)
    if rule.word == "z^B":
        if bounds is None:
            raise ValueError("the rule z^B needs the bounds of its layer's input")
        low, high = bounds
        way = layer.whole(taken(x, x)) - layer.signed(taken(x, low), 1) - layer.signed(taken(x, high), -1)
    else:
        start = taken(x, layer.present)
        way = layer.ones(start) if rule.word == "flat" else layer.squares(start)
    return valued(value, scaled(way, inverse(way, epsilon)))


def _of_sign(layer: FoldedLayer, x: Array, sign: int) -> Array:
    """The contributions `W x` that are positive, or those that are negative, summed."""
    # x w > 0 where both are positive or both negative: (W x)+ = W+ x+ + W- x-, and (W x)- = W- x+ + W+ x-. Behind a
    # ReLU x- is 0 and its product is saved.
    total = layer.signed(taken(x, clipped(x, 1)), sign)
    return total if layer.is_non_negative else total + layer.signed(taken(x, clipped(x, -1)), -sign)


def _part(layer: FoldedLayer, x: Array, bias: Array, sign: int, portion: float, epsilon: float) -> Array:
    """The contributions of one sign, sharing `portion` of the relevance."""
    way = _of_sign(layer, x, sign)
    return scaled(way, portion * inverse(way + clipped(bias, sign), epsilon))


def _gamma(gamma: float, layer: FoldedLayer, x: Array, value: Array, bias: Array, epsilon: float) -> Array:
    """Contributions with the sign of the whole count 1 + gamma times, the others once."""
    # Inputs may be negative, so the rule is taken per output: where z_j >= 0 positive contributions are favoured, where
    # it is negative the negative ones (zennit's `Gamma`). For inputs >= 0 and z_j >= 0 it is W + gamma W+ of the table.
    # The sign is that of what the layer gives, its bias included, also where biases take no share: a unit of W x = -1
    # and b = 2 is up.
    whole = layer.whole(taken(x, x))
    is_up = value >= 0
    ways = []
    for sign in (1, -1):
        way = whole + gamma * _of_sign(layer, x, sign)
        share = inverse(way + bias + gamma * clipped(bias, sign), epsilon)
        ways.append(scaled(way, jnp.where(is_up == (sign > 0), share, 0)))
    return ways[0] + ways[1]
