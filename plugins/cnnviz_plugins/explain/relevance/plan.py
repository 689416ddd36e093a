"""Which operation shares relevance how: each between the image and some values gets its way back, once per question.

The result is a set of overrides for the program's evaluator: each computes a value as the program does, and sends
relevance, in place of a gradient, back to what the value was computed from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import jax.numpy as jnp
from jax import lax

from cnnviz_jax.plugin import ACTIVATION_KINDS, ELEMENTWISE, Model, Node, Operation, Override, RuleError, did_you_mean
from cnnviz_plugins.explain.relevance.composites import Rule
from cnnviz_plugins.explain.relevance.linear import AffineChain, FoldedLayer, affine_chain
from cnnviz_plugins.explain.relevance.primitives import (
    GATES,
    LINEAR,
    MOVING,
    POSITIVE_KINDS,
    is_divisor,
    is_gate,
    is_mean_of,
    is_non_negative,
    present,
    sees_the_image,
)
from cnnviz_plugins.explain.relevance.rules import ruled
from cnnviz_plugins.explain.relevance.sharing import passed, shared, softmaxed

_UNRULED_KINDS = frozenset({"softmax", "log_softmax"})
_SUMS = frozenset({"add", "add_any", "sub"})

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
    is_attentive: bool = False
    """Whether softmax layers have AttnLRP's rule, products hand half to each factor, gates too, and what a norm or a
    sum adds or subtracts takes its share."""
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
    has_softmax: bool
    """Whether a softmax is among them."""
    folds: Mapping[int, int]
    """Values inside a folded layer, each with the one behind all that is folded in, which has the same units: relevance
    stands there."""

    def warnings(self, technique: str) -> tuple[str, ...]:
        """Return a warning that names the operations without a rule, if there are any."""
        if not self.unruled:
            return ()
        other = "; attn-lrp has one for softmax layers" if technique == "lrp" and self.has_softmax else ""
        return (
            f"{technique} has no rule for {'; '.join(self.unruled)}: gradient times input stands in for one{other}",
        )


def plan_of(model: Model, settings: RelevanceSettings, ends: Sequence[int], params: Mapping[int, Any]) -> RelevancePlan:
    """Return the plan that leads from some values of the program back to the image.

    Args:
        model: The model.
        settings: The rules.
        ends: The values that relevance comes from, and those at which it is read.
        params: The parameters by value number; what a plan decides does not depend on them.

    Raises:
        RuleError: A rule cannot serve its layer, a row fits no layer, or an operation has no way back.
    """
    planner = _Planner(model, settings, frozenset(ends), params)
    planner.layers()
    for node in planner.needed:
        if node.order not in planner.claimed:
            planner.leaf(node)
    names, unruled = tuple(planner.rules), tuple(planner.unruled)
    return RelevancePlan(planner.overrides, names, unruled, planner.has_softmax, planner.folds)


@dataclass(eq=False)
class _Planner:
    model: Model
    settings: RelevanceSettings
    ends: frozenset[int]
    params: Mapping[int, Any]
    overrides: dict[int, Override] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)
    unruled: list[str] = field(default_factory=list)
    has_softmax: bool = False
    folds: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = self.model.program
        self.needed = program.analysis.leaves_below(self.ends)
        orders = {node.order for node in self.needed}
        self.operations = [op for op in program.operations if op.node.order in orders]
        self.names = {layer.operation.value: name for name, layer in program.layers.items() if layer.operation}
        self.gates = frozenset(op.value for op in self.operations if op.kind in GATES)
        self.positives = frozenset(op.value for op in self.operations if op.kind in POSITIVE_KINDS)

    def layers(self) -> None:
        """Activations first, as nothing may be folded through them, then the layers with weights."""
        # An activation passes relevance on whole, R(x) = R(y): its slope is a matter of the forward pass, not of shares
        # (Bach et al. 2015). Softmax is no function of one number, so it shares by gradient times input.
        values, epsilon = self.model.program.graph.values, self.settings.epsilon
        for operation in self.operations:
            inputs, plainly = operation.inputs, self.plainly(operation)
            is_alike = len(inputs) == 1 and values[inputs[0]].shape == values[operation.value].shape
            if operation.kind in ACTIVATION_KINDS and is_alike:
                self.define(operation.value, inputs, lambda x, run=plainly: passed(run(lax.stop_gradient(x)), x))
            elif operation.kind == "softmax" and self.settings.is_attentive:
                self.define(operation.value, inputs, lambda x, run=plainly: softmaxed(run, x))
            elif operation.kind in _UNRULED_KINDS:
                self.unruled.append(self.name(operation))
                self.has_softmax |= operation.kind == "softmax"
                self.define(operation.value, inputs, lambda *given, run=plainly: shared(run, given, epsilon))
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
            if rule.word == "identity":
                self.check_identity(affine, names[-1])
            self.rules.append(f"{names[-1]}: {rule}")
            self.define(affine.value, (affine.source, *affine.fixed), self.weighing(affine, rule))
            self.claimed.update(node.order for node in (operation.node, *affine.chain))
            self.folds |= dict.fromkeys(affine.folded, affine.value)
        for k, (pattern, rule) in enumerate(self.settings.rows[: self.settings.own]):
            if k not in fitting and (names or pattern != "*"):  # "all layers" is true of no layer, too
                raise RuleError(
                    f"{pattern}={rule} fits no layer with weights of {self.model.name}.{did_you_mean(pattern, names)} "
                    f"It has: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
                )

    def check_identity(self, affine: AffineChain, name: str) -> None:
        values = self.model.program.graph.values
        before, after = values[affine.source].shape, values[affine.value].shape
        if before != after:
            raise RuleError(
                f"the relevance rule identity hands every output's relevance to the input at its place, and {name!r} "
                f"in {self.model.name} makes {after[1:]} of {before[1:]}; epsilon serves there"
            )

    def name(self, operation: Operation) -> str:
        return self.names.get(operation.value) or operation.node.scope or operation.kind

    def define(self, value: int, inputs: tuple[int, ...], compute: Callable[..., Any]) -> None:
        self.overrides[value] = Override(inputs, compute)

    def plainly(self, operation: Operation) -> Callable[..., Any]:
        """What the program computes there."""
        run, params = self.model.program.evaluator.run, self.params

        def compute(*inputs: Any) -> Any:
            known = {**params, **dict(zip(operation.inputs, inputs, strict=True))}
            return run(known, (operation.value,))[operation.value]

        return compute

    def weighing(self, affine: AffineChain, rule: Rule) -> Callable[..., Any]:
        is_positive = is_non_negative(self.model, affine.source, self.positives)

        def compute(x: Any, *fixed: Any) -> Any:
            there = present(self.model, affine.source)
            layer = FoldedLayer(affine, x, fixed, is_non_negative=is_positive, present=there)
            bias = layer.bias() if self.settings.bias else jnp.zeros_like(layer.bias())
            bounds = self.bounds(affine.source) if rule.word == "z^B" else None
            return ruled(rule, layer, x, layer.value(x), bias, bounds=bounds, epsilon=self.settings.epsilon)

        return compute

    def bounds(self, source: int) -> tuple[Any, Any]:
        """What a value is for a black and for a white image, the lesser first."""
        # Between the image and the first layer stand at most a normalisation per channel and padding, monotone in each
        # pixel, so the extremes lie at 0 and 1: for (x - 0.485) / 0.229 they are -2.12 and 2.25. A negative scale swaps
        # them, hence the minimum; padding is the same in both.
        graph, run = self.model.program.graph, self.model.program.evaluator.run
        image = graph.values[graph.image_id]
        black, white = (
            run({**self.params, graph.image_id: jnp.full(image.shape, level, image.dtype)}, (source,))[source]
            for level in (0, 1)
        )
        return jnp.minimum(black, white), jnp.maximum(black, white)

    def leaf(self, node: Node) -> None:
        """One primitive that belongs to no layer with weights and no activation."""
        values = self.model.program.graph.values
        floats = [jnp.issubdtype(values[number].dtype, jnp.inexact) for number in node.outputs]
        moving = [n for n in self.model.program.analysis.sources(node) if jnp.issubdtype(values[n].dtype, jnp.inexact)]
        if node.name in MOVING or not any(floats) or not moving:
            # A maximum sends a cotangent to the one entry that it is, a slice or join to where entries came from: what
            # JAX does with gradients is what relevance does, and no override is needed.
            return
        if len(node.outputs) != 1:
            raise RuleError(f"relevance has no way back through {node.name} in {self.model.name}, {_where(node)}")
        taker = self.taker(node, moving)
        if taker is not None:
            place = node.inputs.index(taker)
            self.define(node.outputs[0], node.inputs, lambda *inputs: passed(node.apply(inputs)[0], inputs[place]))
            return
        # y = a b, both from the image (a gate's product, attention): each factor's product with its gradient is all of
        # y, a dy/da + b dy/db = 2 y, so half of it each conserves. A sum gives each summand its own share, once.
        is_product = node.name in ("mul", "dot_general", "conv_general_dilated") and len(moving) == 2
        if not is_product and node.name not in LINEAR | _SUMS:
            self.unruled.append(f"{node.name}, {_where(node)}")
        places = [k for k, number in enumerate(node.inputs) if number in moving]
        self.define(
            node.outputs[0], node.inputs, _sharing(node, places, self.settings.epsilon, 0.5 if is_product else 1.0)
        )

    def taker(self, node: Node, moving: list[int]) -> int | None:
        """The input that takes all relevance unit by unit, if one does."""
        # Of (x - mean) / sqrt(var + eps) in a layer norm, x takes all: mean and divisor count as constants, as through
        # the divisor relevance would not be conserved (Ali et al. 2022, arXiv 2202.07304). Of a gate times a signal,
        # the signal takes all (Arras et al. 2017, arXiv 1706.07206).
        # AttnLRP keeps the divisor alone constant, and lets what is added, as places are to tokens, take its share as
        # biases do (Achtibat et al. 2024, section 3.3).
        first, last = moving[0], moving[-1]
        attentive = self.settings.is_attentive
        if len(set(moving)) == 1:
            absorbs = attentive and self.settings.bias and node.name in _SUMS
            is_shared = absorbs and not sees_the_image(self.model, node.outputs[0])
            return first if node.name in ELEMENTWISE and not is_shared else None
        if node.name == "div" or (node.name == "sub" and not attentive and is_mean_of(self.model, last, first)):
            return first
        if node.name == "mul":
            gates = frozenset() if attentive else self.gates
            weighs = [is_divisor(self.model, each) or is_gate(self.model, each, gates) for each in moving]
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
