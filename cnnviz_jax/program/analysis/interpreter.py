"""Abstract interpretation: what is known of every value, in one pass over the graph, without running the program."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from cnnviz_jax.program.analysis import arithmetic_rules, layout_rules, reshaping
from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, Role
from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.analysis.rulebook import RULES, unknown
from cnnviz_jax.program.graph import _compat
from cnnviz_jax.program.graph.graph import Graph, Node

_RULE_FILES = (arithmetic_rules, layout_rules, reshaping)  # importing them fills RULES
_LAYOUTS: dict[int, tuple[Role, ...]] = {4: ("B", 0, 1, "C"), 3: ("B", 0, 1), 2: ("B", "C"), 1: ("B",)}
_RANDOM = ("random_", "rng_", "threefry")
_OUTSIDE = ("pure_callback", "io_callback", "ffi_call")
"""Computed by something that is not JAX."""

_PLAIN_BODIES = ("scatter", "reduce", "select_and", "arg", "sort", "top_k")
_CONSTANT_LIMIT = 1 << 22


class Analysis:
    """The abstract value of every value, and what was noticed on the way."""

    def __init__(self, graph: Graph, extents: tuple[int, ...] | None = None) -> None:
        """Interpret a graph.

        Args:
            graph: The program.
            extents: Lengths of the input's spatial axes where there are more than two, of which the rows of the image
                are all but the last: depth and height of a volume whose slices stand one below the other.
        """
        image = graph.values[graph.image_id].shape
        roles = _LAYOUTS.get(len(image), (None,) * len(image))
        self.graph = graph
        self.extents = extents or tuple(image[roles.index(k)] if k in roles else 1 for k in (0, 1))
        self.values: list[AbstractValue] = [AbstractValue()] * len(graph.values)
        self.batch_mixers: list[Node] = []
        """Nodes that mix the images of a batch."""
        self.random: list[Node] = []
        """Nodes that draw random numbers."""
        self.opaque: list[Node] = []
        """Regions that are evaluated but not looked into."""
        self.widening: dict[int, Node] = {}
        """For each value whose units see more than convolutions and pools show them, the node where that began."""
        self._constants: dict[int, Any] = {}
        self._start(roles, image)
        for node in graph.leaves:
            self._enter(node)

    @property
    def is_series(self) -> bool:
        """Whether the image is one row, as series and vectors are held."""
        return len(self.extents) == 2 and self.extents[0] == 1

    def _start(self, roles: tuple[Role, ...], image: tuple[int, ...]) -> None:
        graph = self.graph
        last = len(self.extents) - 1
        axes: tuple[Axis, ...] = tuple(
            tuple(enumerate(self.extents[:-1])) if role == 0 and last > 1 else ((last if role == 1 else role, size),)
            for role, size in zip(roles, image, strict=True)
        )
        reach = tuple(map(Reach.of_image, self.extents))
        for value in graph.values:
            if value.constant is not None:
                self.values[value.id] = AbstractValue(uniform=_uniform(value.constant))
        for position, number in enumerate((*graph.param_ids, *graph.constant_ids)):
            self.values[number] = AbstractValue(params=frozenset({position}), uniform=self.values[number].uniform)
        self.values[graph.image_id] = AbstractValue(True, axes=axes, reach=reach)

    def _enter(self, node: Node) -> None:
        inputs = [self.values[number] for number in node.inputs]
        if node.name.startswith(_RANDOM):
            self.random.append(node)
        if not any(operand.depends for operand in inputs):
            params: frozenset[int] = frozenset().union(*(operand.params for operand in inputs))
            results = [AbstractValue(params=params, uniform=_folded(node, inputs))] * len(node.outputs)
        elif node.name == "scan-slice":
            results = [self._slice(inputs[0])]
        elif node.name == "scan-stack":
            results = [self._stack(node, inputs)]
        else:
            rule = RULES.get(node.name)
            # A body within a leaf (`cond`, `while`, a kernel written by hand) hides layers from us. The small
            # comparators and combiners that scatters, reductions and sorts carry are no such bodies.
            closed = node.name in _OUTSIDE or (
                bool(_compat.subprograms(node.equation)) and not node.name.startswith(_PLAIN_BODIES)
            )
            if rule is None and closed:
                self.opaque.append(node)
            results = (rule or unknown)(self, node, inputs)
        for number, result in zip(node.outputs, results, strict=True):
            self.values[number] = result
            if result.reach is not None and any(r.index_map is None and r.local_map is not None for r in result.reach):
                earlier = (self.widening[source] for source in node.inputs if source in self.widening)
                self.widening[number] = next(earlier, node)

    def _slice(self, operand: AbstractValue) -> AbstractValue:
        gone = layout_rules.picked(operand, 0, [0])
        return gone.changed(gone.axes[1:], lambda _, reach: reach)

    def _stack(self, node: Node, operands: Sequence[AbstractValue]) -> AbstractValue:
        known = [operand for operand in operands if operand.depends]
        # What the steps gave stands side by side along a new first axis without a role; a unit of the stack counts as
        # seeing what the like units of all steps see, which is a superset and exact where the steps see the same.
        met = arithmetic_rules.together(known, self.shape(node.inputs[0]))
        return met.changed((((None, len(operands)),), *met.axes), lambda _, reach: reach)

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of a value."""
        return self.graph.values[number].shape

    def mixes(self, node: Node) -> None:
        """Note that a node mixes the images of a batch."""
        self.batch_mixers.append(node)

    def sources(self, node: Node) -> tuple[int, ...]:
        """The inputs of a node that depend on the image."""
        return tuple(number for number in node.inputs if self.values[number].depends)

    def leaves_below(self, outputs: Iterable[int]) -> list[Node]:
        """The leaves that the image feeds and `outputs` need, in program order."""
        needed, found = set(outputs), []
        for leaf in reversed(self.graph.leaves):
            if needed.intersection(leaf.outputs) and (sources := self.sources(leaf)):
                found.append(leaf)
                needed.update(sources)
        return found[::-1]

    def depends(self, number: int) -> bool:
        """Whether a value depends on the image."""
        return self.values[number].depends

    def uniform(self, number: int) -> float | None:
        """The number that all elements of a value are, where that is known."""
        return self.values[number].uniform

    def constant(self, number: int) -> np.ndarray | None:
        """The value itself, if neither image nor parameters feed it and it is small; evaluated on first asking."""
        count = len(self.graph.param_ids)
        known, value = self.values[number], self.graph.values[number]
        if known.depends or any(position < count for position in known.params):
            return None
        if math.prod(value.shape) > _CONSTANT_LIMIT:
            return None
        # Matrices of a resize and index arrays of a gather are such: built from iota and comparisons while tracing, so
        # the analysis evaluates them once, also while somebody else traces around it.
        with jax.ensure_compile_time_eval():
            found = self._evaluated(number)
        return None if found is None or isinstance(found, _compat.Tracer) else np.asarray(found)

    def _evaluated(self, number: int) -> Any:
        value = self.graph.values[number]
        if value.producer is None:
            return value.constant
        if number not in self._constants:
            inputs = [self._evaluated(source) for source in value.producer.inputs]
            if any(isinstance(item, _compat.Tracer) for item in inputs):
                return next(item for item in inputs if isinstance(item, _compat.Tracer))
            for output, result in zip(value.producer.outputs, value.producer.apply(inputs), strict=True):
                self._constants[output] = result
        return self._constants[number]


def _uniform(constant: Any) -> float | None:
    """The one number in a constant, if it is one; large arrays are not looked at."""
    if isinstance(constant, _compat.Tracer) or getattr(constant, "size", 1) > 4096:
        return None
    try:
        array = np.asarray(constant)
        first = float(array.ravel()[0])
    except (TypeError, ValueError, IndexError):
        return None  # a random key, or nothing at all
    return first if bool((array == array.ravel()[0]).all()) else None


_SAME = frozenset({"convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "copy", "copy_p", "stop_gradient"})
_FOLDS: dict[str, Callable[..., float]] = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": max,
    "min": min,
    "abs": abs,
}


def _folded(node: Node, inputs: Sequence[AbstractValue]) -> float | None:
    numbers = [operand.uniform for operand in inputs]
    if any(number is None for number in numbers):
        return None
    if node.name in _SAME:
        return numbers[0]
    fold = _FOLDS.get(node.name)
    return float(fold(*numbers)) if fold is not None else None
