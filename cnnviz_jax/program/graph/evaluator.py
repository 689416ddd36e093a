"""Running the flat graph: only what is needed, with values read, changed or computed another way.

A plan is made once per question and kept. It lists the steps in program order: calls stay whole unless a value inside
one is asked for or changed; what no wanted value needs is left out. No primitive is bound by hand: each step hands an
equation to JAX's own evaluator, so transformations compose and an unchanged program compiles to the same operations.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax

from cnnviz_jax.program.graph.graph import Graph, Node
from cnnviz_jax.program.layers.scopes import scope_of

Change = Callable[[Any], Any]
"""What becomes of a value before anything reads it."""


@dataclass(frozen=True)
class Override:
    """Another way to compute a value: `compute(*values of inputs)`."""

    inputs: tuple[int, ...]
    compute: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Step:
    node: Node | None
    """The node to evaluate; `None` for a value that has another override."""
    value: int
    """For an override: the value."""
    inputs: tuple[int, ...]
    dead: tuple[int, ...]
    """Values that nothing reads after this step."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that lead to some wanted values."""

    steps: tuple[_Step, ...]
    needed: frozenset[int]
    """Program inputs, constants and given values that the steps read."""


class Evaluator:
    """Runs one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plans: dict[Hashable, Plan] = {}
        self._last: dict[int, int] = {}

    def run(
        self,
        given: Mapping[int, Any],
        wanted: Sequence[int],
        *,
        changes: Mapping[int, Change] | None = None,
        overrides: Mapping[int, Override] | None = None,
    ) -> dict[int, Any]:
        """Return the wanted values.

        Args:
            given: Values by id. Nothing below a given value is evaluated for its sake.
            wanted: Ids of the values to return.
            changes: Functions applied to values where they are computed or given: all readers see the result.
            overrides: Other ways to compute values, in place of the program's.
        """
        changes, overrides = changes or {}, overrides or {}
        plan = self.plan(
            frozenset(given), tuple(wanted), frozenset(changes), {v: d.inputs for v, d in overrides.items()}
        )
        known: dict[int, Any] = {}
        for number in plan.needed:
            value = given[number] if number in given else self.graph.values[number].constant
            known[number] = changes[number](value) if number in changes else value
        for step in plan.steps:
            inputs = [known[number] for number in step.inputs]
            if step.node is None:
                numbers: tuple[int, ...] = (step.value,)
                results = [overrides[step.value].compute(*inputs)]
            else:
                results, numbers = _applied(step.node, inputs), step.node.outputs
            for number, result in zip(numbers, results, strict=True):
                if number not in known and (step.node is None or number not in overrides):
                    known[number] = changes[number](result) if number in changes else result
            for number in step.dead:
                known.pop(number, None)
        return {number: known[number] for number in wanted}

    def plan(
        self,
        given: frozenset[int],
        wanted: tuple[int, ...],
        changed: frozenset[int],
        defined: Mapping[int, tuple[int, ...]],
    ) -> Plan:
        """Return the steps from the given values to the wanted ones."""
        key = (given, wanted, changed, tuple(sorted(defined.items())))
        if key not in self._plans:
            self._plans[key] = self._planned(given, wanted, changed, defined)
        return self._plans[key]

    def _planned(
        self,
        given: frozenset[int],
        wanted: tuple[int, ...],
        changed: frozenset[int],
        defined: Mapping[int, tuple[int, ...]],
    ) -> Plan:
        values = self.graph.values
        produced = frozenset(number for number in given if values[number].producer is not None)
        read = [*wanted, *(number for inputs in defined.values() for number in inputs)]
        entered = self._entered(read, [*changed, *defined, *produced])
        steps: dict[tuple[int, int], tuple[Node | None, int, tuple[int, ...]]] = {}
        needed: set[int] = set()
        seen: set[int] = set()
        open_values = list(wanted)
        while open_values:
            number = open_values.pop()
            if number in seen:
                continue
            seen.add(number)
            producer = None if number in given else values[number].producer
            if number not in given and number in defined:
                place = -1 if producer is None else _visible(producer, entered).order
                steps[place, number + 1] = (None, number, defined[number])
                open_values.extend(defined[number])
            elif producer is None:
                needed.add(number)
            else:
                node = _visible(producer, entered)
                if (node.order, 0) not in steps:
                    steps[node.order, 0] = (node, -1, node.inputs)
                    open_values.extend(node.inputs)
        return Plan(_with_dead([steps[place] for place in sorted(steps)], wanted), frozenset(needed))

    def _entered(self, read: Iterable[int], touched: Iterable[int]) -> frozenset[int]:
        """Orders of the calls whose bodies must be evaluated node by node."""
        entered: set[int] = set()
        for numbers, is_changed in ((read, False), (touched, True)):
            for number in numbers:
                producer = self.graph.values[number].producer
                if producer is None:
                    continue
                calls = producer.calls()
                for depth in reversed(range(len(calls))):  # outermost first
                    call = calls[depth]
                    gives = call.equation is not None and number in call.outputs
                    if gives and not (is_changed and self._read_inside(number, call)):
                        break
                    entered.add(call.order)
        return frozenset(entered)

    def _read_inside(self, number: int, call: Node) -> bool:
        """Whether the body of a call reads a value that it computes."""
        if call.order not in self._last:
            self._last[call.order] = _end(call)
        readers = self.graph.values[number].consumers
        return any(call.order < reader.order <= self._last[call.order] for reader in readers)


def _end(node: Node) -> int:
    return node.order if not node.body else _end(node.body[-1])


def _visible(producer: Node, entered: frozenset[int]) -> Node:
    """The call that computes a value whole, or its own node where all calls around it are entered."""
    visible = producer
    for call in producer.calls():
        if call.order not in entered and call.equation is not None:
            visible = call
    return visible


def _with_dead(ordered: list[tuple[Node | None, int, tuple[int, ...]]], wanted: tuple[int, ...]) -> tuple[_Step, ...]:
    """Note after which step each value is read no more, so that an eager run frees it."""
    kept = set(wanted)
    steps: list[_Step] = []
    for node, number, inputs in reversed(ordered):
        outputs = (number,) if node is None else node.outputs
        dead = tuple(n for n in dict.fromkeys((*inputs, *outputs)) if n not in kept)
        kept.update(inputs)
        steps.append(_Step(node, number, inputs, dead))
    return tuple(reversed(steps))


def _applied(node: Node, inputs: list[Any]) -> list[Any]:
    scope = "" if node.parent is None else scope_of(node.parent)
    with jax.named_scope(scope) if scope else nullcontext():
        return node.apply(inputs)
