"""Where the rules of the analysis are kept, what they may ask, and the safe answer for an unknown operation."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis
from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import Rulebook


@runtime_checkable
class RuleContext(Protocol):
    """What a rule may ask of the analysis."""

    extents: tuple[int, ...]
    """Lengths of the image's spatial axes."""

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of a value."""

    def constant(self, number: int) -> np.ndarray | None:
        """The value, if neither image nor parameters feed it and it is small."""

    def mixes(self, node: Node) -> None:
        """Note that a node mixes the images of a batch."""


AbstractRule = Callable[[RuleContext, Node, Sequence[AbstractValue]], list[AbstractValue]]

RULES: Rulebook[AbstractRule] = Rulebook()
"""Rules for nodes of which some input depends on the image."""
rule = RULES.rule


def unknown(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    """Each result may depend on everything. Layout is kept where an operand of the same shape has one."""
    # The one safe answer: tables that are too wide cost an occlusion sweep time, tables that are too narrow would make
    # it wrong. The roles are a guess that only names and views depend on: an operation from (1, 8, 8, 4) to
    # (1, 8, 8, 4) most likely keeps rows, columns and channels where they were.
    whole = [Reach.everything(extent) for extent in context.extents]
    results = []
    for number in node.outputs:
        shape = context.shape(number)
        axes: tuple[Axis, ...] = tuple(((None, size),) for size in shape)
        for source, operand in zip(node.inputs, operands, strict=True):
            if operand.depends and context.shape(source) == shape:
                axes = operand.axes
                break
        seen = tuple(
            reach.spread(next((n for axis in axes for role, n in axis if role == k), 1))
            for k, reach in enumerate(whole)
        )
        results.append(AbstractValue(True, axes=axes, reach=seen))
    return results
