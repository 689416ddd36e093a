"""Reading a traced model: layers, kernels, receptive fields, rules and checks, off the program itself.

`Program.trace` is the door; see the folder's README for what stands behind it.
"""

from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.layers.checks import Check
from cnnviz_jax.program.layers.kernels import KernelRef
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation
from cnnviz_jax.program.program import Handler, Program
from cnnviz_jax.program.rewrites.relu_rules import deconv_relu, guided_relu
from cnnviz_jax.program.windows import ChangedWindows, Interval, Plan

__all__ = [
    "ChangedWindows",
    "Check",
    "Field",
    "Handler",
    "Interval",
    "KernelRef",
    "LayerNode",
    "Node",
    "Operation",
    "Override",
    "Plan",
    "Program",
    "deconv_relu",
    "guided_relu",
]
