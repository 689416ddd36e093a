"""Which convolutions of a program are computed in another way than XLA's: as sums of products, or of matrices."""

from typing import Any

import jax

from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.primitives import convolve, sooner_than_xla


def faster_convolutions(graph: Graph) -> dict[int, Override]:
    """Return overrides of the depthwise convolutions and of those of few channels, on a CPU; elsewhere none.

    Those inside of scans, remats and functions with a gradient of their own are left as they are.
    """
    return {
        leaf.outputs[0]: Override(leaf.inputs, _convolution(leaf))
        for leaf in graph.leaves
        if leaf.name == "conv_general_dilated"
        and leaf.is_transparent
        and sooner_than_xla(leaf.params, *(graph.values[number] for number in leaf.inputs)) is not None
    }


def _convolution(node: Node) -> Any:
    def compute(left: Any, right: Any) -> Any:
        with jax.named_scope(node.name_stack):
            return convolve(node, left, right)

    return compute
