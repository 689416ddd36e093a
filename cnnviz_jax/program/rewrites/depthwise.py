"""Which convolutions of a program are computed as sums of shifted products."""

from typing import Any

import jax

from cnnviz_jax.program.graph.depthwise import is_depthwise
from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.primitives import convolve


def shifted_convolutions(graph: Graph) -> dict[int, Override]:
    """Return overrides of the depthwise convolutions, on a CPU; elsewhere none.

    Those inside of scans, remats and functions with a gradient of their own are left as they are.
    """
    if jax.default_backend() != "cpu":
        return {}
    return {
        leaf.outputs[0]: Override(leaf.inputs, _convolution(leaf))
        for leaf in graph.leaves
        if leaf.name == "conv_general_dilated"
        and leaf.is_transparent
        and is_depthwise(leaf.params, *(graph.values[number] for number in leaf.inputs))
    }


def _convolution(node: Node) -> Any:
    def compute(left: Any, right: Any) -> Any:
        with jax.named_scope(node.name_stack):
            return convolve(node, left, right)

    return compute
