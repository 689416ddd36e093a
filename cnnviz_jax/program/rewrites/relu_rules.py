"""Backward rules for ReLU: guided backpropagation and the deconvolutional network.

Forward nothing changes. Backward, for a signal `g` at `relu(x)`: the gradient passes `g` where `x > 0`; guided
backpropagation (Springenberg et al. 2014, arXiv 1412.6806) passes `relu(g)` where `x > 0`; the deconvolutional
network (Zeiler and Fergus 2013, arXiv 1311.2901) passes `relu(g)` whatever `x` is. Both are reverse-mode only.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.errors import RuleError, did_you_mean
from cnnviz_jax.program.graph.graph import Graph, Node

Activation = Callable[[Any], Any]


@jax.custom_vjp
def guided_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """ReLU that sends back only what is positive, to where its input was positive."""
    return jax.nn.relu(x)


guided_relu.defvjp(
    lambda x: (jax.nn.relu(x), x > 0),
    lambda positive, signal: (jnp.where(positive, jax.nn.relu(signal), jnp.zeros_like(signal)),),
)


@jax.custom_vjp
def deconv_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """ReLU that sends back only what is positive, whatever its input was."""
    return jax.nn.relu(x)


deconv_relu.defvjp(lambda x: (jax.nn.relu(x), None), lambda _, signal: (jax.nn.relu(signal),))


def is_jaxs_relu(graph: Graph, call: Node) -> bool:
    """Return whether a call that is a ReLU by its values has the derivative of `jax.nn.relu`, not one of its own."""
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    value = graph.values[call.outputs[0]]
    example = jax.ShapeDtypeStruct(value.shape, value.dtype)

    def derivative(function: Activation) -> str:
        return str(jax.make_jaxpr(lambda x, change: jax.jvp(function, (x,), (change,)))(example, example))

    try:
        return derivative(lambda x: call.apply([x])[0]) == derivative(jax.nn.relu)
    except TypeError:  # a `custom_vjp` has no forward derivative
        return False


NAMED: dict[str, Activation] = {"guided": guided_relu, "deconv": deconv_relu}


def resolve(rule: str | Activation) -> Activation:
    """Return the function that a rule stands for.

    Raises:
        RuleError: No rule has that name.
    """
    if callable(rule):
        return rule
    if rule not in NAMED:
        raise RuleError(
            f"no backward rule {rule!r}; there are {', '.join(map(repr, NAMED))}.{did_you_mean(rule, NAMED)}"
        )
    return NAMED[rule]
