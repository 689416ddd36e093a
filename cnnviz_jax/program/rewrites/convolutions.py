"""Which convolutions of a program are computed in another way than XLA's: as sums of products, or of matrices."""

from typing import Any

import jax

from cnnviz_jax.program.graph.depthwise import is_depthwise
from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.narrow import is_narrow
from cnnviz_jax.program.graph.primitives import convolve


def faster_convolutions(graph: Graph) -> dict[int, Override]:
    """Return overrides of the depthwise convolutions and of those of few channels, on a CPU; elsewhere none.

    Those inside of scans, remats and functions with a gradient of their own are left as they are.
    """
    if jax.default_backend() != "cpu":
        return {}

    def is_faster(node: Node) -> bool:
        left, right = (graph.values[number] for number in node.inputs)
        return is_depthwise(node.params, left, right) or is_narrow(node.params, left, right)

    return {
        leaf.outputs[0]: Override(leaf.inputs, _convolution(leaf))
        for leaf in graph.leaves
        if leaf.name == "conv_general_dilated" and leaf.is_transparent and is_faster(leaf)
    }


def _convolution(node: Node) -> Any:
    def compute(left: Any, right: Any) -> Any:
        with jax.named_scope(node.name_stack):
            return convolve(node, left, right)

    return compute
