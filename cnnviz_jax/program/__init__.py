"""Reading a traced model: layers, kernels, receptive fields, rules and checks, off the program itself.

Begin with `Program.trace`; the folder's README says what stands behind it.
"""

from cnnviz_jax.program.analysis.receptive_field import Field
from cnnviz_jax.program.graph.evaluator import Override
from cnnviz_jax.program.incremental import (
    ChangedWindows,
    Interval,
    PlaceGroup,
    Places,
    SweepPlace,
    TrueRegions,
    WindowPlan,
    place_groups,
)
from cnnviz_jax.program.layers.checks import ProgramCheck
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.program import Handler, Program
from cnnviz_jax.program.rewrites.relu_rules import deconv_relu, guided_relu

__all__ = [
    "ChangedWindows",
    "Field",
    "Handler",
    "Interval",
    "LayerNode",
    "Override",
    "PlaceGroup",
    "Places",
    "Program",
    "ProgramCheck",
    "SweepPlace",
    "TrueRegions",
    "WindowPlan",
    "deconv_relu",
    "guided_relu",
    "place_groups",
]
