"""Running a graph: only what is needed, with values read, changed or computed another way.

A plan is made once per question and kept. It lists the steps in program order: calls stay whole unless a value inside
one is asked for or changed; what no output needs is left out. No primitive is bound by hand: each step hands an
equation to JAX's own evaluator, so transformations compose and an unchanged program compiles to the same operations.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax

from cnnviz_jax.program.graph.graph import Graph, Node

Change = Callable[[Any], Any]
"""What becomes of a value before anything reads it."""


@dataclass(frozen=True)
class Override:
    """Another way to compute a value: `compute(*values of inputs)`."""

    inputs: tuple[int, ...]
    compute: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _EvaluationStep:
    node: Node | None
    """The node to evaluate; `None` for a value that has an override."""
    value: int
    """For an override: the value."""
    inputs: tuple[int, ...]
    dead: tuple[int, ...]
    """Values that nothing reads after this step."""


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """The steps that lead to some values."""

    steps: tuple[_EvaluationStep, ...]
    needed: frozenset[int]
    """Program inputs, constants and known values that the steps read."""


class Evaluator:
    """Runs one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plans: dict[Hashable, EvaluationPlan] = {}
        self._last: dict[int, int] = {}

    def run(
        self,
        inputs: Mapping[int, Any],
        outputs: Sequence[int],
        *,
        changes: Mapping[int, Change] | None = None,
        overrides: Mapping[int, Override] | None = None,
    ) -> dict[int, Any]:
        """Return the values `outputs` by id.

        Args:
            inputs: Known values by id, any values of the graph. Nothing below one is evaluated for its sake.
            outputs: Ids of the values to return.
            changes: Functions applied to values where they are computed or known: all readers see the result.
            overrides: Other ways to compute values, in place of the program's.
        """
        changes, overrides = changes or {}, overrides or {}
        plan = self.plan(
            frozenset(inputs), tuple(outputs), frozenset(changes), {v: o.inputs for v, o in overrides.items()}
        )
        known: dict[int, Any] = {}
        for number in plan.needed:
            value = inputs[number] if number in inputs else self.graph.values[number].constant
            known[number] = changes[number](value) if number in changes else value
        for step in plan.steps:
            operands = [known[number] for number in step.inputs]
            if step.node is None:
                numbers: tuple[int, ...] = (step.value,)
                results = [overrides[step.value].compute(*operands)]
            else:
                # The body of an entered call is evaluated without the call, so its name stack is opened by hand.
                outer = step.node.outer_stack
                with jax.named_scope(outer) if outer else nullcontext():
                    results, numbers = step.node.apply(operands), step.node.outputs
            for number, result in zip(numbers, results, strict=True):
                # A node of several results may compute one that is known or overridden too: that one is dropped.
                if number not in known and (step.node is None or number not in overrides):
                    known[number] = changes[number](result) if number in changes else result
            for number in step.dead:
                known.pop(number, None)
        return {number: known[number] for number in outputs}

    def plan(
        self,
        inputs: frozenset[int],
        outputs: tuple[int, ...],
        changed: frozenset[int],
        overridden: Mapping[int, tuple[int, ...]],
    ) -> EvaluationPlan:
        """Return the steps from the known values to the outputs; `overridden` has the inputs of each override."""
        key = (inputs, outputs, changed, tuple(sorted(overridden.items())))
        if key in self._plans:
            return self._plans[key]
        # The search runs backward from the outputs. A value is, in this order: known; overridden; without a producer
        # (an input of the program, a constant); or computed by a node. Of `y = jit(f)(x)` with f(a) = max(conv(a), 0),
        # `y` alone is one step, the call. If the conv's value is read, changed, overridden or known as well, the call
        # is entered and `y` takes two steps, conv and max. XLA then compiles the same operations: calls are inlined
        # either way, and whole ones merely trace faster and keep custom derivatives.
        values = self.graph.values
        produced = frozenset(number for number in inputs if values[number].producer is not None)
        read = [*outputs, *(number for sources in overridden.values() for number in sources)]
        entered = self._entered(read, [*changed, *overridden, *produced])
        steps: dict[tuple[int, int], tuple[Node | None, int, tuple[int, ...]]] = {}
        needed: set[int] = set()
        seen: set[int] = set()
        open_values = list(outputs)
        while open_values:
            number = open_values.pop()
            if number in seen:
                continue
            seen.add(number)
            producer = None if number in inputs else values[number].producer
            if number not in inputs and number in overridden:
                # Steps sort by (order, 0) for nodes and (order, number + 1) for overrides: an override stands where
                # the program computes its value. What it reads was computed before that, what reads it comes after.
                order = -1 if producer is None else _visible(producer, entered).order
                steps[order, number + 1] = (None, number, overridden[number])
                open_values.extend(overridden[number])
            elif producer is None:
                needed.add(number)
            else:
                node = _visible(producer, entered)
                if (node.order, 0) not in steps:
                    steps[node.order, 0] = (node, -1, node.inputs)
                    open_values.extend(node.inputs)
        plan = EvaluationPlan(_with_dead([steps[place] for place in sorted(steps)], outputs), frozenset(needed))
        self._plans[key] = plan
        return plan

    def _entered(self, read: Iterable[int], touched: Iterable[int]) -> frozenset[int]:
        """Orders of the calls whose bodies must be evaluated node by node."""
        # To read a call's result the call may stay whole. To change the result, it may only if nothing inside reads it
        # again: for `def f(x): a = g(x); return a, a * 2`, a change of `a` must reach the product, so f is entered.
        entered: set[int] = set()
        for numbers, is_touched in ((read, False), (touched, True)):
            for number in numbers:
                producer = self.graph.values[number].producer
                if producer is None:
                    continue
                for call in reversed(producer.calls()):  # outermost first
                    gives = call.equation is not None and number in call.outputs
                    if gives and not (is_touched and self._read_inside(number, call)):
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
        # The step of an unrolled scan has no equation: it cannot be evaluated whole, its scan can.
        if call.order not in entered and call.equation is not None:
            visible = call
    return visible


def _with_dead(
    ordered: list[tuple[Node | None, int, tuple[int, ...]]], outputs: tuple[int, ...]
) -> tuple[_EvaluationStep, ...]:
    """Note after which step each value is read no more, so that an eager run frees it."""
    alive = set(outputs)
    steps: list[_EvaluationStep] = []
    for node, number, inputs in reversed(ordered):
        results = (number,) if node is None else node.outputs
        dead = tuple(n for n in dict.fromkeys((*inputs, *results)) if n not in alive)
        alive.update(inputs)
        steps.append(_EvaluationStep(node, number, inputs, dead))
    return tuple(reversed(steps))
