"""Who shares relevance how: every operation between the image and some values gets its way back, once per question.

The result is a set of overrides for the program's evaluator: each computes a value as the program does, and sends
relevance, in place of a gradient, back to what the value was computed from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import jax.numpy as jnp
from jax import lax

from cnnviz_jax.plugin import Model, Node, Operation, Override, RuleError, did_you_mean
from cnnviz_plugins.explain.relevance.composites import Rule
from cnnviz_plugins.explain.relevance.linear import AffineChain, FoldedLayer, affine_chain
from cnnviz_plugins.explain.relevance.primitives import (
    GATES,
    LINEAR,
    MOVING,
    PASSING_KINDS,
    POSITIVE_KINDS,
    UNARY,
    is_divisor,
    is_gate,
    is_mean_of,
    is_non_negative,
    moving_inputs,
    present,
    sees_the_image,
)
from cnnviz_plugins.explain.relevance.rules import ruled
from cnnviz_plugins.explain.relevance.sharing import passed, shared

_UNRULED_KINDS = frozenset({"softmax", "log_softmax"})

Rows = tuple[tuple[str, Rule], ...]


@dataclass(frozen=True, kw_only=True)
class RelevanceSettings:
    """How relevance is propagated; hashable, so it can stand in a fold."""

    rows: Rows
    """Pattern and rule, the first that fits decides."""
    own: int = 0
    """How many of the rows the user wrote: each of them must fit some layer."""
    epsilon: float = 1e-6
    """Stabiliser of every denominator but that of the rule epsilon, which brings its own."""
    bias: bool = True
    """Whether biases take their share of relevance."""
    is_rooted: bool = True
    """Whether propagation begins with value times gradient of the score, or with its gradient alone."""


@dataclass(frozen=True, eq=False)
class RelevancePlan:
    """The overrides, and what was decided."""

    overrides: Mapping[int, Override]
    rules: tuple[str, ...]
    """`layer: rule` for each layer with weights."""
    unruled: tuple[str, ...]
    """Operations without a rule: they share by gradient times input."""


def plan_of(
    model: Model, settings: RelevanceSettings, wanted: Sequence[int], given: Mapping[int, Any]
) -> RelevancePlan:
    """Return the plan that leads from some values of the program back to the image.

    Args:
        model: The model.
        settings: The rules.
        wanted: The values that relevance comes from, and those at which it is read.
        given: The parameters by value number; what a plan decides does not depend on them.

    Raises:
        RuleError: A rule cannot serve its layer, a row fits no layer, or an operation has no way back.
    """
    planner = _Planner(model, settings, frozenset(wanted), given)
    planner.layers()
    for node in planner.needed:
        if node.order not in planner.claimed:
            planner.leaf(node)
    return RelevancePlan(planner.overrides, tuple(planner.rules), tuple(planner.unruled))


@dataclass(eq=False)
class _Planner:
    model: Model
    settings: RelevanceSettings
    ends: frozenset[int]
    given: Mapping[int, Any]
    overrides: dict[int, Override] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)
    unruled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        program = self.model.program
        self.needed = _needed(self.model, self.ends)
        orders = {node.order for node in self.needed}
        self.operations = [op for op in program.operations if op.node.order in orders]
        self.names = {
            layer_node.operation.value: name for name, layer_node in program.layers.items() if layer_node.operation
        }
        self.gates = frozenset(op.value for op in self.operations if op.kind in GATES)
        self.positives = frozenset(op.value for op in self.operations if op.kind in POSITIVE_KINDS)

    def layers(self) -> None:
        """Activations first, as nothing may be folded through them, then the layers with weights."""
        for operation in self.operations:
            if operation.kind in PASSING_KINDS and self.is_alike(operation):
                self.define(operation.value, operation.inputs, self.passing(operation))
            elif operation.kind in _UNRULED_KINDS:
                self.unruled.append(self.name(operation))
                self.define(operation.value, operation.inputs, self.by_gradient(operation))
            else:
                continue
            self.claimed.update(node.order for node in operation.nodes)
        fitting: set[int] = set()
        names = []
        for operation in self.operations:
            if operation.kind not in ("conv", "dense") or operation.node.order in self.claimed:
                continue
            affine = affine_chain(self.model, operation, self.ends, frozenset(self.claimed))
            if affine is None:
                continue
            names.append(self.name(operation))
            is_first = sees_the_image(self.model, affine.source)
            rows = [
                k for k, (pattern, _) in enumerate(self.settings.rows) if _fits(pattern, operation, names[-1], is_first)
            ]
            fitting.update(rows)
            rule = self.settings.rows[rows[0]][1] if rows else Rule("epsilon", self.settings.epsilon)
            if rule.word == "z^B" and not is_first:
                raise RuleError(
                    f"the relevance rule z^B needs bounds of its layer's input, and those of {names[-1]!r} in "
                    f"{self.model.name} are not known: it does not see the image itself; z+ serves there"
                )
            self.rules.append(f"{names[-1]}: {rule}")
            self.define(affine.value, (affine.source, *affine.fixed), self.weighing(affine, rule))
            self.claimed.update(node.order for node in (operation.node, *affine.chain))
        for k, (pattern, rule) in enumerate(self.settings.rows[: self.settings.own]):
            if k not in fitting:
                raise RuleError(
                    f"{pattern}={rule} fits no layer with weights of {self.model.name}.{did_you_mean(pattern, names)} "
                    f"It has: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
                )

    def is_alike(self, operation: Operation) -> bool:
        values = self.model.program.graph.values
        return len(operation.inputs) == 1 and values[operation.inputs[0]].shape == values[operation.value].shape

    def name(self, operation: Operation) -> str:
        return self.names.get(operation.value) or operation.node.scope or operation.kind

    def define(self, value: int, inputs: tuple[int, ...], compute: Callable[..., Any]) -> None:
        self.overrides[value] = Override(inputs, compute)

    def plainly(self, operation: Operation) -> Callable[..., Any]:
        """What the program computes there."""
        run, given = self.model.program.evaluator.run, self.given

        def compute(*inputs: Any) -> Any:
            known = {**given, **dict(zip(operation.inputs, inputs, strict=True))}
            return run(known, (operation.value,))[operation.value]

        return compute

    def passing(self, operation: Operation) -> Callable[..., Any]:
        plainly = self.plainly(operation)
        return lambda x: passed(plainly(lax.stop_gradient(x)), x)

    def by_gradient(self, operation: Operation) -> Callable[..., Any]:
        plainly = self.plainly(operation)
        return lambda *inputs: shared(plainly, inputs, self.settings.epsilon)

    def weighing(self, affine: AffineChain, rule: Rule) -> Callable[..., Any]:
        is_positive = is_non_negative(self.model, affine.source, self.positives)

        def compute(x: Any, *fixed: Any) -> Any:
            layer = FoldedLayer(
                affine, x, fixed, is_non_negative=is_positive, present=present(self.model, affine.source)
            )
            bias = layer.bias() if self.settings.bias else jnp.zeros_like(layer.bias())
            bounds = self.bounds(affine.source) if rule.word == "z^B" else None
            return ruled(rule, layer, x, layer.value(x), bias, bounds=bounds, epsilon=self.settings.epsilon)

        return compute

    def bounds(self, source: int) -> tuple[Any, Any]:
        """What a value is for a black and for a white image, the lesser first."""
        graph, run = self.model.program.graph, self.model.program.evaluator.run
        image = graph.values[graph.image_id]
        black, white = (
            run({**self.given, graph.image_id: jnp.full(image.shape, level, image.dtype)}, (source,))[source]
            for level in (0, 1)
        )
        return jnp.minimum(black, white), jnp.maximum(black, white)

    def leaf(self, node: Node) -> None:
        """One primitive that belongs to no layer with weights and no activation."""
        values = self.model.program.graph.values
        floats = [jnp.issubdtype(values[number].dtype, jnp.inexact) for number in node.outputs]
        moving = [n for n in moving_inputs(self.model, node) if jnp.issubdtype(values[n].dtype, jnp.inexact)]
        if node.name in MOVING or not any(floats) or not moving:
            return  # the way back of a gradient is that of relevance, or there is none
        if len(node.outputs) != 1:
            raise RuleError(f"relevance has no way back through {node.name} in {self.model.name}, {_where(node)}")
        taker = self.taker(node, moving)
        if taker is not None:
            place = node.inputs.index(taker)
            self.define(node.outputs[0], node.inputs, lambda *inputs: passed(node.apply(inputs)[0], inputs[place]))
            return
        is_product = node.name in ("mul", "dot_general", "conv_general_dilated") and len(moving) == 2
        if not is_product and node.name not in LINEAR | {"add", "add_any", "sub"}:
            self.unruled.append(f"{node.name}, {_where(node)}")
        places = [k for k, number in enumerate(node.inputs) if number in moving]
        self.define(
            node.outputs[0], node.inputs, _sharing(node, places, self.settings.epsilon, 0.5 if is_product else 1.0)
        )

    def taker(self, node: Node, moving: list[int]) -> int | None:
        """The input that takes all relevance unit by unit, if one does."""
        first, last = moving[0], moving[-1]
        if len(set(moving)) == 1:
            return first if node.name in UNARY else None
        if node.name == "div" or (node.name == "sub" and is_mean_of(self.model, last, first)):
            return first
        if node.name == "mul":
            weighs = [is_divisor(self.model, each) or is_gate(self.model, each, self.gates) for each in moving]
            if weighs == [False, True]:
                return first
            if weighs == [True, False]:
                return last
        return None


def _sharing(node: Node, places: list[int], epsilon: float, portion: float) -> Callable[..., Any]:
    def compute(*inputs: Any) -> Any:
        def function(*moved: Any) -> Any:
            full = list(inputs)
            for place, value in zip(places, moved, strict=True):
                full[place] = value
            return node.apply(full)[0]

        return shared(function, [inputs[place] for place in places], epsilon, portion)

    return compute


def _fits(pattern: str, operation: Operation, name: str, is_first: bool) -> bool:
    if pattern == "first":
        return is_first
    if pattern.startswith("kind:"):
        return operation.kind == pattern.removeprefix("kind:")
    return fnmatchcase(name, pattern.replace("/", "."))


def _where(node: Node) -> str:
    return f"at {node.scope!r}" if node.scope else f"equation {node.order}"


def _needed(model: Model, wanted: frozenset[int]) -> list[Node]:
    """The leaves that the image feeds and some wanted value needs, in program order."""
    graph, depends = model.program.graph, model.program.analysis.depends
    found: dict[int, Node] = {}
    open_values = [number for number in wanted if depends(number)]
    while open_values:
        node = graph.values[open_values.pop()].producer
        if node is not None and node.order not in found:
            found[node.order] = node
            open_values.extend(number for number in node.inputs if depends(number))
    return [found[order] for order in sorted(found)]
