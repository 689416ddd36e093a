"""The score of one class alone, where a layer at every position of a map makes those of all.

SqueezeNet, NiN and fully convolutional networks end in a 1 x 1 convolution with a channel for each class, a ReLU and a
mean over the map. Of SqueezeNet's operations that convolution is a quarter, of those that occlusion recomputes for a
window half. Whoever asks for one class of a thousand needs one channel of it, and of all behind it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from cnnviz_jax.program.graph.evaluator import Evaluator, Override
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE
from cnnviz_jax.program.incremental.flops import flops_of
from cnnviz_jax.program.layers.traced import TracedProgram
from cnnviz_jax.program.rewrites.relu_rules import is_jaxs_relu

_WORTHWHILE = 0.05
"""Share of a program's operations from which on a layer of all classes is worth a second trace of the program."""

_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")
_REARRANGED = ("reshape", "squeeze", "expand_dims")


@dataclass(frozen=True)
class _Step:
    """One value of one class: `compute(class, *operands)`."""

    value: int
    inputs: tuple[int, ...]
    compute: Callable[..., Array]
    scope: str
    """Name stack of the node, so that layers keep their names."""


def of_one_class(program: TracedProgram, scores: int) -> Callable[[Any, Float[Array, "1 ..."]], Array] | None:
    """Return `fn((params, class), x)`, the scores of one class of one image; `None` where nothing is gained.

    The scores keep their class axis, of length one. The class, a whole number, may be traced.

    Args:
        program: The program.
        scores: The value that holds the scores, classes last.
    """
    found = _Chain(program).below(scores)
    if found is None:
        return None
    steps = found[::-1]
    inside = {step.value for step in steps}
    read = tuple(dict.fromkeys(n for step in steps for n in step.inputs if n not in inside))
    evaluator = Evaluator(program.graph)

    def fn(given: tuple[Any, Any], x: Array) -> Array:
        params, number = given[0], jnp.asarray(given[1], jnp.int32)
        inputs = {**program.numbered(params), program.graph.image_id: x}

        def compute(*operands: Any) -> Array:
            known = dict(zip(read, operands, strict=True))
            for step in steps:
                with jax.named_scope(step.scope) if step.scope else nullcontext():
                    known[step.value] = step.compute(number, *(known[n] for n in step.inputs))
            return known[scores]

        return evaluator.run(inputs, (scores,), overrides={scores: Override(read, compute)})[scores]

    return fn


class _Chain:
    """The operations between the layer that makes all classes and the scores, read from the scores down."""

    def __init__(self, program: TracedProgram) -> None:
        self.graph, self.analysis = program.graph, program.analysis
        self.relus = {op.value: op.inputs[0] for op in program.operations if op.kind == "relu"}

    def below(self, scores: int) -> list[_Step] | None:
        """Return the steps, the scores first; `None` where classes mix on the way, or nothing is gained."""
        number, axis = scores, len(self.shape(scores)) - 1
        steps: list[_Step] = []
        while (node := self.graph.values[number].producer) is not None and axis >= 0:
            relu = self.relus.get(number)
            if not node.is_transparent:
                # Inside stands a maximum, whose gradient at 0 is another than that of JAX's own ReLU.
                call = [each for each in node.calls() if each.name.startswith("custom_")][-1:]
                if relu is None or not call or not is_jaxs_relu(self.graph, call[0]):
                    return None
                steps.append(_Step(number, (relu,), lambda _, x: jax.nn.relu(x), call[0].name_stack))
                number = relu
                continue
            product = self.product(node, axis)
            if product is not None:
                return [*steps, product] if self.is_worth(node) else None
            step = self.step(node, axis)
            if step is None:
                return None
            steps.append(step[0])
            number, axis = step[1:]
        return None

    def shape(self, number: int) -> tuple[int, ...]:
        return self.graph.values[number].shape

    def is_worth(self, node: Node) -> bool:
        """Whether a layer computes several positions, and much of all that the program does."""
        kernel = self.shape(node.inputs[1])
        product = flops_of(node, self.shape, self.shape(node.outputs[0]))
        if product <= 2 * prod(kernel):
            return False
        every = (flops_of(leaf, self.shape, self.shape(leaf.outputs[0])) for leaf in self.graph.leaves)
        return product >= _WORTHWHILE * sum(every)

    def product(self, node: Node, axis: int) -> _Step | None:
        """Return one class of a matrix product, or of a convolution of single positions, with the parameters."""
        if node.name not in ("dot_general", "conv_general_dilated") or not self.depends(node.inputs[0]):
            return None
        if self.depends(node.inputs[1]) or self.shape(node.outputs[0])[axis] == 1:
            return None
        if node.name == "dot_general":
            (_, (contracted, batch)) = tuple(zip(*node.params["dimension_numbers"], strict=True))
            free = [k for k in range(len(self.shape(node.inputs[1]))) if k not in (*contracted, *batch)]
            if len(free) != 1 or axis != len(self.shape(node.outputs[0])) - 1:
                return None
            return _Step(
                node.outputs[0],
                node.inputs,
                lambda number, x, kernel: node.apply([x, _of(number, kernel, free[0])])[0],
                node.outer_stack,
            )
        params, spec = node.params, node.params["dimension_numbers"]
        is_single = prod(self.shape(node.inputs[1])[k] for k in spec.rhs_spec[2:]) == 1
        is_plain = params["feature_group_count"] == params["batch_group_count"] == 1
        every = (*params["window_strides"], *params["lhs_dilation"])
        if not is_single or not is_plain or set(every) != {1} or any(map(any, params["padding"])):
            return None
        if axis != spec.out_spec[1]:
            return None
        return _Step(node.outputs[0], node.inputs, partial(_at_each_position, node), node.name_stack)

    def depends(self, number: int) -> bool:
        return self.analysis.depends(number)

    def step(self, node: Node, axis: int) -> tuple[_Step, int, int] | None:
        """Return one class of an operation that keeps classes apart, the value that it reads, and the axis there."""
        reads = {number for number in node.inputs if self.depends(number)}
        if len(reads) != 1 or len(node.outputs) != 1:
            return None
        (source,) = reads
        old, new = self.shape(source), self.shape(node.outputs[0])
        below = next((k for k in _before(node, old, new, axis) if k < len(old) and old[k] == new[axis]), None)
        if below is None or new[axis] == 1:
            return None

        def compute(number: Int[Array, ""], *operands: Any) -> Array:
            fitted = list(operands)
            for k, (other, value) in enumerate(zip(node.inputs, operands, strict=True)):
                if other != source and len(self.shape(other)) == len(new) and self.shape(other)[axis] == new[axis]:
                    fitted[k] = _of(number, value, axis)
            one = tuple(1 if k == axis else size for k, size in enumerate(new))
            if node.name in _REARRANGED:
                return lax.reshape(fitted[0], one)
            if node.name == "broadcast_in_dim":
                return lax.broadcast_in_dim(fitted[0], one, node.params["broadcast_dimensions"])
            return node.apply(fitted)[0]

        return _Step(node.outputs[0], node.inputs, compute, node.outer_stack), source, below


def _before(node: Node, old: Sequence[int], new: Sequence[int], axis: int) -> Iterator[int]:
    """Yield which axis of what a node reads an axis of its result may be, where each stays by itself."""
    params = node.params
    if node.name in ELEMENTWISE:
        if tuple(old) == tuple(new):
            yield axis
    elif node.name in _REARRANGED:
        if len(node.inputs) == 1:
            yield from (k for k in range(len(old)) if prod(old[:k]) == prod(new[:axis]))
    elif node.name == "transpose":
        yield params["permutation"][axis]
    elif node.name == "broadcast_in_dim":
        if len(node.inputs) == 1 and axis in params["broadcast_dimensions"]:
            yield params["broadcast_dimensions"].index(axis)
    elif node.name in _REDUCTIONS:
        yield [k for k in range(len(old)) if k not in params["axes"]][axis]
    elif node.name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min"):
        along = params["window_dimensions"][axis], params["window_strides"][axis]
        if along == (1, 1) and not any(params["padding"][axis]):
            yield axis


def _of(number: Int[Array, ""], value: Any, axis: int) -> Array:
    """One class of a value, its axis kept."""
    return lax.dynamic_index_in_dim(jnp.asarray(value), number, axis, keepdims=True)


def _at_each_position(node: Node, number: Int[Array, ""], x: Array, kernel: Array) -> Array:
    """One class of a 1 x 1 convolution, as a matrix product: images that ask for different classes share it."""
    # With a class for each image `vmap` would make a convolution of as many groups as images, which is slow on a CPU.
    spec = node.params["dimension_numbers"]
    column = _of(number, kernel, spec.rhs_spec[0]).reshape(-1, 1)
    found = lax.dot_general(
        x, column, (((spec.lhs_spec[1],), (0,)), ((), ())),
        precision=node.params["precision"], preferred_element_type=node.params["preferred_element_type"],
    )  # fmt: skip
    # Axes are those of x without its channels, and the class.
    kept = [k for k in range(x.ndim) if k != spec.lhs_spec[1]]
    order = [0] * x.ndim
    order[spec.out_spec[1]] = x.ndim - 1
    for to, of in zip((spec.out_spec[0], *spec.out_spec[2:]), (spec.lhs_spec[0], *spec.lhs_spec[2:]), strict=True):
        order[to] = kept.index(of)
    return lax.transpose(found, order)
