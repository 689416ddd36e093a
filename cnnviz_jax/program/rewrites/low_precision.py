"""Convolutions and matrix products on rounded numbers, summed in float32.

Accelerators multiply bfloat16, and NVIDIA's TF32, several times faster than float32. Only the operands of a product are
rounded: what is added up, and everything between the products, stays as it is. bfloat16 is rounded to here, so that
every machine computes the same; TF32 has no type of its own, so there the device is told that it may round.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.graph.primitives import convolve

_PRODUCTS = ("conv_general_dilated", "dot_general")


def low_precision_products(graph: Graph, precision: Literal["tf32", "bfloat16"]) -> dict[int, Override]:
    """Return overrides of the float32 convolutions and matrix products by ones of rounded numbers, summed in float32.

    Those inside of scans, remats and functions with a gradient of their own are left as they are.
    """
    return {
        leaf.outputs[0]: Override(leaf.inputs, _product(leaf, precision))
        for leaf in graph.leaves
        if leaf.name in _PRODUCTS and leaf.is_transparent and graph.values[leaf.outputs[0]].dtype == jnp.float32
    }


def _product(node: Node, precision: str) -> Any:
    params, scope = node.params, node.name_stack
    # HIGH is JAX's word for TF32 on NVIDIA; on TPUs it is three products of bfloat16, which is nearer to float32 still.
    allowed = lax.Precision.HIGH if precision == "tf32" else lax.Precision.DEFAULT

    def compute(left: Any, right: Any) -> Any:
        if precision == "bfloat16":
            left, right = left.astype(jnp.bfloat16), right.astype(jnp.bfloat16)
        with jax.named_scope(scope):
            if node.name == "dot_general":
                dimensions = params["dimension_numbers"]
                return lax.dot_general(left, right, dimensions, precision=allowed, preferred_element_type=jnp.float32)
            return convolve(node, left, right, precision=allowed, preferred_element_type=jnp.float32)

    return compute
