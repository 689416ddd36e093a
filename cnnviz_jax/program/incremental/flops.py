"""Floating-point operations of one node, from shapes alone, for a whole value or for a window of it."""

from collections.abc import Callable, Sequence
from math import prod

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import GLUE

_FREE = GLUE | {"concatenate", "slice", "split", "pad", "rev", "gather", "scan-slice", "scan-stack", "iota"}


def flops_of(node: Node, shape: Callable[[int], tuple[int, ...]], result: Sequence[int]) -> float:
    """Return the operations that give `result`, a whole value or a part of it.

    A multiplication and an addition are two. Taps that fall into padding count, so that a window costs its share.

    Args:
        node: What computes it.
        shape: Shapes of whole values by number.
        result: Shape of what is computed.
    """
    if node.name in _FREE:
        return 0.0
    if node.name == "conv_general_dilated":
        spec, kernel = node.params["dimension_numbers"], shape(node.inputs[1])
        return 2.0 * prod(result) * prod(kernel) / kernel[spec.rhs_spec[0]]
    if node.name == "dot_general":
        (contracted, _), _ = node.params["dimension_numbers"]
        left = shape(node.inputs[0])
        return 2.0 * prod(result) * prod(left[axis] for axis in contracted)
    if node.name.startswith("reduce_window"):
        return float(prod(result) * prod(node.params["window_dimensions"]))
    if node.name.startswith(("reduce_", "cum", "arg")):
        return float(prod(shape(node.inputs[0])))
    return float(prod(result))
