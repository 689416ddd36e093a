"""Convolutions and matrix products on rounded numbers, summed in float32.

Accelerators multiply bfloat16 several times faster than float32. Only the operands of a product are rounded: what is
added up, and everything between the products, stays as it is.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.primitives import convolve

_PRODUCTS = ("conv_general_dilated", "dot_general")


def low_precision_products(graph: Graph, dtype: Any) -> dict[int, Override]:
    """Return overrides of the float32 convolutions and matrix products by ones of `dtype`, summed in float32.

    Those inside of scans, remats and functions with a gradient of their own are left as they are.
    """
    return {
        leaf.outputs[0]: Override(leaf.inputs, _product(leaf, dtype))
        for leaf in graph.leaves
        if leaf.name in _PRODUCTS and leaf.is_transparent and graph.values[leaf.outputs[0]].dtype == jnp.float32
    }


def _product(node: Node, dtype: Any) -> Any:
    params, scope = node.params, node.name_stack

    def compute(left: Any, right: Any) -> Any:
        left, right = left.astype(dtype), right.astype(dtype)
        with jax.named_scope(scope):
            if node.name == "dot_general":
                return lax.dot_general(
                    left, right, params["dimension_numbers"], precision="default", preferred_element_type=jnp.float32
                )
            return convolve(node, left, right, precision="default", preferred_element_type=jnp.float32)

    return compute
