"""Where the rules of the analysis are kept, what they may ask, and the safe answer for an unknown operation."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis
from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.graph.graph import Node


@runtime_checkable
class Context(Protocol):
    """What a rule may ask of the analysis."""

    extents: tuple[int, int]
    """Height and width of the image."""

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of a value."""

    def constant(self, number: int) -> np.ndarray | None:
        """The value, if neither image nor parameters feed it and it is small."""

    def mixes(self, node: Node) -> None:
        """Note that a node mixes the images of a batch."""


Rule = Callable[[Context, Node, Sequence[AbstractValue]], list[AbstractValue]]

RULES: dict[str, Rule] = {}
"""Primitive name -> rule, for nodes of which some input depends on the image."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for the primitives `names`."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


def unknown(context: Context, node: Node, abstract: Sequence[AbstractValue]) -> list[AbstractValue]:
    """Each result may depend on everything. Layout is kept where an operand of the same shape has one."""
    whole = (Reach.everything(context.extents[0]), Reach.everything(context.extents[1]))
    results = []
    for number in node.outputs:
        shape = context.shape(number)
        axes: tuple[Axis, ...] = tuple(((None, size),) for size in shape)
        for operand, abstract_value in zip(node.inputs, abstract, strict=True):
            if abstract_value.depends and context.shape(operand) == shape:
                axes = abstract_value.axes
                break
        spread = []
        for k, reach in enumerate(whole):
            units = next((n for axis in axes for role, n in axis if role == k and len(axis) >= 1), 1)
            spread.append(reach.spread(units))
        results.append(AbstractValue(True, axes=axes, reach=(spread[0], spread[1])))
    return results
