"""Reading a traced model: layers, kernels, receptive fields, rules and checks, off the program itself.

`Program.trace` is the door; see the folder's README for what stands behind it.
"""

from cnnviz_jax.program.checks import Check
from cnnviz_jax.program.evaluate import Definition
from cnnviz_jax.program.flat import Node
from cnnviz_jax.program.kernels import KernelRef
from cnnviz_jax.program.operations import Operation
from cnnviz_jax.program.receptive_field import Field
from cnnviz_jax.program.relu import deconv_relu, guided_relu
from cnnviz_jax.program.sites import Site
from cnnviz_jax.program.trace import Handler, Program
from cnnviz_jax.program.windows import ChangedWindows, Interval, Plan

__all__ = [
    "ChangedWindows",
    "Check",
    "Definition",
    "Field",
    "Handler",
    "Interval",
    "KernelRef",
    "Node",
    "Operation",
    "Plan",
    "Program",
    "Site",
    "deconv_relu",
    "guided_relu",
]
