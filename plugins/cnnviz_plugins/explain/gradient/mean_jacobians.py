"""The traced program with every non-linear step replaced by its mean Jacobian over some images.

Where `smoothdiff` explains what that is for, here is how. A step is what mixes or bends values that see the image: an
activation, a maximum, a product of two branches. All others (convolutions, sums, pads, joins) are linear and stay as
they are. Each step notes, for one image, the numbers of its Jacobian; their mean over images stands in for them in one
backward pass. So the stored numbers are as many as the steps' values, times the places of a max pool's window, and not
times the images.
"""

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import (
    ACTIVATION_KINDS,
    ELEMENTWISE,
    RECASTS,
    Model,
    Node,
    Operation,
    Override,
    PoolWindows,
    RuleError,
    Target,
    window_places,
)

LINEAR = RECASTS | {
    "broadcast_in_dim", "slice", "dynamic_slice", "gather", "concatenate", "pad", "rev", "split", "scan-slice",
    "scan-stack", "dynamic_update_slice", "reduce_sum", "reduce_window_sum", "cumsum", "add", "add_any", "sub", "neg",
    "stop_gradient", "pvary", "real", "device_put",
}  # fmt: skip
"""Primitives that are linear in all their operands that are numbers; a stopped gradient stays stopped."""

PRODUCTS = frozenset({"mul", "dot_general", "conv_general_dilated"})
"""Primitives that are linear in each of two operands."""

_MOST_WEIGHTS = 1 << 22
"""Numbers of a softmax's Jacobian up to which its mean is kept: 64 MB for every four of them."""

Slopes = tuple[Array, ...]
"""The numbers of one step's Jacobian."""


@dataclass(frozen=True, eq=False)
class Step:
    """One non-linear step of the program: what it computes, the numbers of its Jacobian, and the Jacobian itself."""

    name: str
    value: int
    """The value it computes."""
    inputs: tuple[int, ...]
    compute: Callable[..., Array]
    """What the program computes there, of the values of all inputs."""
    slopes: Callable[..., Slopes]
    """The numbers of the Jacobian at the values of all inputs."""
    applied: Callable[[Slopes, Sequence[Any]], Array]
    """The Jacobian of those numbers, applied to the values of all inputs."""
    is_gate: bool = False
    """Whether the numbers are shares of 0 and 1: which branch was taken."""
    is_product: bool = False
    """Whether it multiplies two values that both see the image."""


def steps_of(model: Model, target: Target | None = None) -> tuple[Step, ...]:
    """Return the non-linear steps between the image and what the target reads, in program order.

    Args:
        model: The model.
        target: What is scored; `None` for something in the outputs.

    Raises:
        RuleError: A step has no mean Jacobian.
    """
    program = model.program
    params = program.numbered(model.params)
    layers, needs_outputs = ((), True) if target is None else (target.layers, target.needs_outputs)
    ends = model.structure.read_values(layers, needs_outputs)
    names = {layer.value: name for name, layer in program.layers.items()}
    leaves = program.analysis.leaves_below(ends)
    orders = {leaf.order for leaf in leaves}
    claimed: set[int] = set()
    found: list[tuple[int, Step]] = []
    for operation in program.operations:
        if operation.node.order in orders and len(operation.inputs) == 1:
            step = _of_operation(model, operation, params, names)
            if step is not None:
                claimed.update(node.order for node in operation.nodes)
                found.append((operation.node.order, step))
    for leaf in leaves:
        if leaf.order not in claimed:
            step = _of_leaf(model, leaf, names)
            if step is not None:
                found.append((leaf.order, step))
    return tuple(step for _, step in sorted(found, key=lambda pair: pair[0]))


def observed(
    model: Model, image: Float[Array, "h w c"], target: Target, steps: Sequence[Step]
) -> tuple[Float[Array, ""], tuple[Slopes, ...], Any]:
    """Return the score of one image, the numbers of every step's Jacobian there, and of the score's own.

    Cost: one forward pass.
    """
    seen: dict[int, Slopes] = {}

    def noting(step: Step) -> Override:
        def compute(*operands: Any) -> Array:
            seen[step.value] = step.slopes(*operands)
            return step.compute(*operands)

        return Override(step.inputs, compute)

    read = _read(model, image, target, {step.value: noting(step) for step in steps})
    score, slopes = jax.value_and_grad(lambda moved: target.score(*_joined(moved, read)))(_floats(read))
    return score, tuple(seen[step.value] for step in steps), slopes


def gradient_through(
    model: Model,
    image: Float[Array, "h w c"],
    target: Target,
    steps: Sequence[Step],
    means: Sequence[Slopes],
    score_slopes: Any,
) -> Float[Array, "h w c"]:
    """Return the gradient at the image of the program whose steps are linear, with these numbers.

    Cost: one forward and one backward pass.
    """
    ways = {
        step.value: Override(step.inputs, lambda *operands, step=step, mean=mean: step.applied(mean, operands))
        for step, mean in zip(steps, means, strict=True)
    }

    # What flows forward is no activation any more, but the linear program has one derivative everywhere.
    def score(pixels: Float[Array, "h w c"]) -> Float[Array, ""]:
        read = _floats(_read(model, pixels, target, ways))
        parts = [jnp.vdot(slope, value) for slope, value in zip(score_slopes, read, strict=True)]
        return functools.reduce(operator.add, parts)

    return jax.grad(score)(image)


def _read(model: Model, image: Float[Array, "h w c"], target: Target, ways: Mapping[int, Override]) -> Any:
    return model.run(image, read=target.layers, overrides=ways, need_outputs=target.needs_outputs)


def _is_float(value: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(value), jnp.floating))


def _floats(read: Any) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(read) if _is_float(leaf)]


def _joined(floats: Sequence[Array], read: Any) -> Any:
    leaves, tree = jax.tree.flatten(read)
    rest = iter(floats)
    return jax.tree.unflatten(tree, [next(rest) if _is_float(leaf) else leaf for leaf in leaves])


def _of_operation(
    model: Model, operation: Operation, params: Mapping[int, Any], names: Mapping[int, str]
) -> Step | None:
    """An activation as a whole, so that its slope is its own and not that of its parts; a softmax."""
    values, run = model.program.graph.values, model.program.evaluator.run

    def compute(x: Array) -> Array:
        return run({**params, operation.inputs[0]: x}, (operation.value,))[operation.value]

    value = values[operation.value]
    if values[operation.inputs[0]].shape != value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
        return None
    name = names.get(operation.value) or operation.node.name_stack or operation.kind
    if operation.kind in ACTIVATION_KINDS:
        return Step(
            name, operation.value, operation.inputs, compute, lambda x: _partials(compute, x),
            lambda slopes, operands: slopes[0] * operands[0], is_gate=operation.kind == "relu",
        )  # fmt: skip
    if operation.kind in ("softmax", "log_softmax"):
        axes = [node.params["axes"] for node in operation.nodes if node.name == "reduce_sum"]
        if len(axes) == 1 and len(axes[0]) == 1:
            return _softmax(model, operation, name, compute, int(axes[0][0]))
        raise RuleError(_refusal(model, f"a softmax over several axes, {name}"))
    return None


def _softmax(model: Model, operation: Operation, name: str, compute: Callable[..., Array], axis: int) -> Step:
    """J = diag(p) - p p^T, of which both parts are averaged; of a log-softmax J = 1 - p^T."""
    shape = model.program.graph.values[operation.value].shape
    is_log = operation.kind == "log_softmax"
    if not is_log and math.prod(shape) * shape[axis] > _MOST_WEIGHTS:
        raise RuleError(_refusal(model, f"a softmax of {shape[axis]} numbers at {name}, whose Jacobian is too large"))

    def slopes(x: Array) -> Slopes:
        p = jnp.moveaxis(jnp.exp(compute(x)) if is_log else compute(x), axis, -1)
        return (p,) if is_log else (p, p[..., :, None] * p[..., None, :])

    def applied(slopes: Slopes, operands: Sequence[Any]) -> Array:
        moved = jnp.moveaxis(operands[0], axis, -1)
        if is_log:
            result = moved - (slopes[0] * moved).sum(-1, keepdims=True)
        else:
            result = slopes[0] * moved - (slopes[1] * moved[..., None, :]).sum(-1)
        return jnp.moveaxis(result, -1, axis)

    return Step(name, operation.value, operation.inputs, compute, slopes, applied)


def _of_leaf(model: Model, node: Node, names: Mapping[int, str]) -> Step | None:
    """One primitive outside of activations; `None` where it is linear or no gradient flows through it."""
    values = model.program.graph.values
    moving = [k for k, n in enumerate(node.inputs) if n in model.program.analysis.sources(node) and _floating(model, n)]
    is_float = [jnp.issubdtype(values[number].dtype, jnp.floating) for number in node.outputs]
    if not moving or not any(is_float) or node.name in LINEAR:
        return None
    if node.name in PRODUCTS and len(moving) == 1:
        return None
    if node.name == "div" and moving == [0]:
        return None
    where = f"at {node.name_stack}" if node.name_stack else f"equation {node.order}"
    name = names.get(node.outputs[0]) or f"{node.name}, {where}"
    if len(node.outputs) != 1:
        raise RuleError(_refusal(model, name))

    def compute(*operands: Any) -> Array:
        return node.apply(operands)[0]

    if node.name in ("reduce_window_max", "reduce_window_min"):
        return _pool(model, node, name, compute)
    shapes = {values[node.inputs[k]].shape for k in moving}
    if node.name in PRODUCTS:
        # d(ab) = a db + b da: of each factor the mean is kept, as if the two were independent over the copies.
        def crossed(means: Slopes, operands: Sequence[Any]) -> Array:
            first, second = list(operands), list(operands)
            first[moving[1]], second[moving[0]] = means[1], means[0]
            return compute(*first) + compute(*second)

        return Step(name, node.outputs[0], node.inputs, compute, lambda *x: tuple(x[k] for k in moving), crossed,
                    is_product=True)  # fmt: skip
    is_alike = shapes == {values[node.outputs[0]].shape}
    if node.name in ELEMENTWISE and is_alike:

        def applied(slopes: Slopes, operands: Sequence[Any]) -> Array:
            parts = [slope * operands[k] for slope, k in zip(slopes, moving, strict=True)]
            return functools.reduce(operator.add, parts)

        return Step(name, node.outputs[0], node.inputs, compute, lambda *x: _partials(compute, *x, places=moving),
                    applied, is_gate=node.name in ("max", "min", "select_n", "clamp"))  # fmt: skip
    if node.name in ("reduce_max", "reduce_min"):
        axes = tuple(node.params["axes"])
        return Step(name, node.outputs[0], node.inputs, compute, lambda x: _partials(compute, x),
                    lambda slopes, operands: (slopes[0] * operands[0]).sum(axes), is_gate=True)  # fmt: skip
    raise RuleError(_refusal(model, name))


def _pool(model: Model, node: Node, name: str, compute: Callable[..., Array]) -> Step:
    """The first winner of every window, as shares of the window's places."""
    windows = PoolWindows.of(node)
    if windows is None:
        raise RuleError(_refusal(model, f"{name} of a spread-out image"))
    worst = -jnp.inf if node.name == "reduce_window_max" else jnp.inf

    def slopes(x: Array) -> Slopes:
        top = compute(x)
        shares, is_taken = [], jnp.zeros(top.shape, bool)
        for place in window_places(x, worst, top.shape, windows):
            is_first = (place == top) & ~is_taken
            is_taken |= is_first
            shares.append(is_first.astype(x.dtype))
        return (jnp.stack(shares),)

    def applied(slopes: Slopes, operands: Sequence[Any]) -> Array:
        places = window_places(operands[0], 0.0, slopes[0].shape[1:], windows)
        return jnp.stack([share * place for share, place in zip(slopes[0], places, strict=True)]).sum(0)

    return Step(name, node.outputs[0], node.inputs, compute, slopes, applied, is_gate=True)


def _partials(compute: Callable[..., Array], *operands: Any, places: Sequence[int] = (0,)) -> Slopes:
    """The derivative by each operand, unit by unit: one unit of an operand reaches one unit of the result at most."""

    def moved(*some: Any) -> Array:
        full = list(operands)
        for place, value in zip(places, some, strict=True):
            full[place] = value
        return compute(*full)

    result, back = jax.vjp(moved, *(operands[place] for place in places))
    return tuple(back(jnp.ones_like(result)))


def _floating(model: Model, number: int) -> bool:
    return bool(jnp.issubdtype(model.program.graph.values[number].dtype, jnp.floating))


def _refusal(model: Model, what: str) -> str:
    return f"smoothdiff has no mean Jacobian for {what}, in {model.name}; smoothgrad needs none"
