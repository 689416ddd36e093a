"""JAX's primitives by what they do to positions, and rulebooks that say more of each by name."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
from jax import lax
from jaxtyping import Array

from cnnviz_jax.program.graph.depthwise import depthwise, is_depthwise
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.narrow import is_narrow, narrow

ELEMENTWISE = frozenset({
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "clamp", "clz", "complex", "conj", "convert_element_type", "copy", "copy_p", "cos", "cosh", "digamma", "div",
    "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "imag", "integer_pow", "is_finite",
    "le", "lgamma", "log", "log1p", "logistic", "lt", "max", "min", "mul", "name", "ne", "neg", "nextafter", "not",
    "optimization_barrier", "or", "population_count", "pow", "pvary", "real", "reduce_precision", "rem", "round",
    "rsqrt", "select_n", "sharding_constraint", "shift_left", "shift_right_arithmetic", "shift_right_logical",
    "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor", "device_put",
})  # fmt: skip
"""Primitives of which unit i of a result depends on unit i of each operand, whatever the shape."""

RECASTS = frozenset({
    "reshape", "squeeze", "expand_dims", "transpose", "convert_element_type", "copy", "copy_p", "name",
    "reduce_precision", "optimization_barrier", "sharding_constraint",
})  # fmt: skip
"""Primitives that rearrange or recast the numbers of one operand, none left out or doubled."""

GLUE = RECASTS | {"broadcast_in_dim", "stop_gradient"}
"""Primitives that rearrange, recast or repeat one operand."""

AFFINE = frozenset({"add", "sub", "mul", "div"})

_Rule = TypeVar("_Rule", bound=Callable[..., Any])


class Rulebook(dict[str, _Rule]):
    """Primitive name -> rule."""

    def rule(self, *names: str) -> Callable[[_Rule], _Rule]:
        """Enter the decorated function for the primitives `names`."""

        def enter(function: _Rule) -> _Rule:
            self.update(dict.fromkeys(names, function))
            return function

        return enter


_CONVOLUTION = (
    "window_strides", "padding", "lhs_dilation", "rhs_dilation", "dimension_numbers", "feature_group_count",
    "batch_group_count", "precision", "preferred_element_type",
)  # fmt: skip


def convolve(node: Node, left: Array, right: Array, **changed: Any) -> Array:
    """Return the convolution that a node is, of other operands and with some of its parameters changed.

    On a CPU a depthwise one is computed as a sum of shifted products, and one of few channels as a product of matrices.
    """
    params = {name: node.params[name] for name in _CONVOLUTION} | changed
    sooner = sooner_than_xla(params, left, right)
    return lax.conv_general_dilated(left, right, **params) if sooner is None else sooner(left, right, params)


def sooner_than_xla(params: Mapping[str, Any], left: Any, right: Any) -> Callable[..., Array] | None:
    """Return what computes a convolution of these parameters and operands, or their shapes, sooner than XLA on a CPU.

    `None` where nothing does, and on other backends.
    """
    if jax.default_backend() != "cpu":
        return None
    if is_depthwise(params, left, right):
        return depthwise
    return narrow if is_narrow(params, left, right) else None
