"""The graph of a traced program, with every plain call opened and every short scan unrolled.

A `Value` is an array that the program computes, identified by a small integer. A `Node` is one equation in one
place: the same inner program called twice gives two sets of nodes. A call and its body share value numbers: the
body's inputs *are* the operands, its results *are* the call's results. So a call may be evaluated whole or node by
node, and a name, an abstract value or a change attaches to a value, never to a variable of some inner program.
Nodes are numbered in program order; a call stands before its body.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnviz_jax.program.graph import _compat

SCAN_INDEX = "\0"
"""Precedes, in a name stack, the index of a step of an unrolled scan."""

IDENTITY = "cnnviz_jax identity"
"""What `jax.ad_checkpoint.checkpoint_name` calls a value that a named module handed on as it was."""

_TRANSPARENT = ("jit", "pjit", "closed_call", "core_call")


@dataclass(slots=True, eq=False)
class Value:
    """One array of the program."""

    id: int
    shape: tuple[int, ...]
    dtype: Any
    producer: "Node | None" = None
    """The innermost node that computes it; `None` for inputs, constants and literals."""
    constant: Any = None
    """The array itself, for literals and constants that the function closed over."""
    consumers: "list[Node]" = field(default_factory=list)
    """Live leaf nodes that read it."""

    @property
    def size(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


@dataclass(slots=True, eq=False)
class Node:
    """One equation in one place of the program; a leaf, or a call with a body."""

    order: int
    name: str
    """Primitive name, such as `conv_general_dilated`; `scan-slice` and `scan-stack` where a scan was unrolled."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    equation: Any
    """The equation; `None` for the slices and stacks of an unrolled scan."""
    parent: "Node | None"
    scope: str
    """Name stack from the outermost call inwards; a step of an unrolled scan ends in `SCAN_INDEX` and its index."""
    call: str = ""
    """For a call: the name of the function it runs, such as `relu`."""
    body: "list[Node] | None" = None
    """For a call or an unrolled scan: its nodes; `None` for a leaf."""
    function: Callable[..., Any] | None = None
    """For a slice or a stack: what computes it."""
    live: bool = False
    _program: Any = None

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the equation."""
        return self.equation.params if self.equation is not None else {}

    @property
    def is_leaf(self) -> bool:
        """Whether it has no body."""
        return self.body is None

    @property
    def is_transparent(self) -> bool:
        """Whether it may be computed another way: no call around it says more than the operations inside.

        Scans, remats and functions with a gradient of their own do.
        """
        return all(call.name in _TRANSPARENT for call in self.calls())

    @property
    def name_stack(self) -> str:
        """`scope` as JAX writes it, without the indices of unrolled scans."""
        return re.sub(SCAN_INDEX + r"\d+", "", self.scope)

    @property
    def outer_stack(self) -> str:
        """The name stack of the call that it stands in; empty at the top."""
        return "" if self.parent is None else self.parent.name_stack

    def calls(self) -> "list[Node]":
        """The calls that it stands in, innermost first."""
        found, node = [], self.parent
        while node is not None:
            found.append(node)
            node = node.parent
        return found

    def apply(self, inputs: Sequence[Any]) -> list[Any]:
        """Evaluate the node, body included, on one value per input; one result per output."""
        if self.function is not None:
            return [self.function(*inputs)]
        if self._program is None:
            self._program = _compat.one_equation(self.equation)
        program, reads, yields = self._program
        results = _compat.evaluate(program, (), [inputs[k] for k in reads])
        outputs: list[Any] = [None] * len(self.outputs)
        for position, result in zip(yields, results, strict=True):
            outputs[position] = result
        return outputs


@dataclass(slots=True, eq=False)
class Graph:
    """The whole program: `leaves` in order, `values` by id, and where it begins and ends."""

    values: list[Value]
    top: list[Node]
    leaves: list[Node]
    """Live leaf nodes, in program order: dead code is dropped."""
    param_ids: tuple[int, ...]
    image_id: int
    constant_ids: tuple[int, ...]
    """Arrays that the function closed over."""
    output_ids: tuple[int, ...]
    identities: tuple[tuple[str, int], ...] = ()
    """Name stacks of modules that hand a value on as it is, with the value."""

    def walk(self, start: int, through: Callable[[Node], int | None]) -> int:
        """Follow producers from value `start` for as long as `through(node)` names the input to go on with."""
        current = start
        while (producer := self.values[current].producer) is not None:
            following = through(producer)
            if following is None:
                return current
            current = following
        return current
