"""A traced program run at another image size, as far up as no operation is tied to the size it was traced at.

A dense head fixes a network's input size, and tracing it at another fails, though the layers below would serve.
Here the equations of the traced program are evaluated on values of other extents. Only operations whose meaning
does not depend on the extent are: convolutions, pools, elementwise ones, sums over channels, and so on. What counts
positions (a mean over the map, a reshape to a fixed length) is refused, and so is a strided window whose padding
TensorFlow's SAME rule would choose otherwise at the new size. Nothing is guessed.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from cnnviz_jax.errors import ModelError
from cnnviz_jax.program.analysis.abstract_values import is_spatial
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE
from cnnviz_jax.program.layers.traced import TracedProgram
from cnnviz_jax.program.rewrites.relu_rules import is_jaxs_relu

# What works along axes of its own, named by a parameter: the same at any size, as long as none of them is the map's.
_ALONG = {
    **dict.fromkeys(
        ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin"),
        ("axes", "{} over positions"),
    ),
    "concatenate": ("dimension", "a concatenation along the map"),
    "split": ("axis", "a split of the map"),
    "squeeze": ("dimensions", "dropping an axis of the map"),
}


class _TiedError(Exception):
    """An operation is tied to the size at which the program was traced."""


def resized(program: TracedProgram, layers: Sequence[str]) -> Callable[[Any, Array], tuple[Array, ...]]:
    """Return `fn(params, images)` that computes the values of `layers`, and those below, at any image size.

    The function is traceable; it raises `ModelError` where an operation below the layers is tied to the traced size.

    Args:
        program: Traced at some size.
        layers: Names of the layers whose values come first; those of other layers that could be computed follow.
    """
    numbers = [program.layer_node(name).value for name in layers]

    def below(params: Any, images: Array) -> tuple[Array, ...]:
        known = program.numbered(params)
        known |= {number: program.graph.values[number].constant for number in program.graph.constant_ids}
        known[program.graph.image_id] = images
        run = _Run(program, numbers)
        run.nodes(program.graph.top, known)
        for name, number in zip(layers, numbers, strict=True):
            if number not in known:
                blame = "; ".join(run.tied[:3]) or "it stands inside an operation of its own"
                raise ModelError(
                    f"layer {name!r} cannot be run on {images.shape[1]} x {images.shape[2]} pixels, only on the size "
                    f"that the model was read at: {blame}"
                )
        others = [layer.value for layer in program.layers.values() if layer.value in known]
        return tuple(known[number] for number in (*numbers, *(n for n in others if n not in numbers)))

    return below


class _Run:
    def __init__(self, program: TracedProgram, outputs: Sequence[int]) -> None:
        self.graph, self.values, self.abstract = program.graph, program.graph.values, program.analysis.values
        producers = [node for number in outputs if (node := self.values[number].producer) is not None]
        self.last = max((node.order for node in producers), default=-1)
        self.opened: set[int] = set()
        # A call is opened if an output is made inside of it and not handed on by it; all others run whole.
        for number, producer in zip(outputs, producers, strict=False):
            for call in producer.calls():
                if number not in call.outputs:
                    self.opened.add(call.order)
        self.relus = {op.value: op.inputs[0] for op in program.operations if op.kind == "relu"}
        self.padded = False
        self.tied: list[str] = []

    def nodes(self, nodes: Sequence[Node], known: dict[int, Any]) -> None:
        """Evaluate nodes in order; those tied to a size, and what needs them, stay unknown."""
        for node in nodes:
            if node.live and node.order <= self.last:
                try:
                    self.node(node, known)
                except _TiedError as reason:
                    if str(reason) and str(reason) not in self.tied:
                        self.tied.append(str(reason))

    def node(self, node: Node, known: dict[int, Any], around: str = "") -> None:
        """Evaluate one node inside a call whose name stack, `around`, is open already."""
        inputs = [self.read(number, known) for number in node.inputs]
        if node.body is not None and node.order in self.opened:
            self.nodes(node.body, known)
            return
        outer = node.outer_stack.removeprefix(around).strip("/")
        if node.body is not None or self.by_hand(node):
            own = str(node.equation.source_info.name_stack) if node.equation is not None else ""
            outer = "/".join(part for part in (outer, own) if part)
        with jax.named_scope(outer) if outer else nullcontext():
            if node.body is not None:
                results = self.call(node, inputs)
            elif any(self.abstract[number].depends for number in node.inputs):
                results = self.leaf(node, inputs)
            else:
                results = node.apply(inputs)
        known.update(zip(node.outputs, results, strict=True))

    def by_hand(self, node: Node) -> bool:
        """Whether an operation is called anew with other sizes, and so loses the name stack of its equation."""
        return node.name in ("slice", "reshape", "broadcast_in_dim") and self.abstract[node.inputs[0]].depends

    def read(self, number: int, known: dict[int, Any]) -> Any:
        if number not in known:
            constant = self.values[number].constant
            if constant is None:
                raise _TiedError("")
            return constant
        return known[number]

    def call(self, node: Node, inputs: list[Any]) -> list[Any]:
        """A call of a plain function under its own name, so that it is recognised again; a ReLU as JAX's own."""
        if node.equation is None or node.name == "scan":
            raise _TiedError("a loop")
        if node.name.startswith("custom_"):
            is_relu = len(node.outputs) == 1 and self.relus.get(node.outputs[0]) in node.inputs
            if is_relu and is_jaxs_relu(self.graph, node):
                return [jax.nn.relu(inputs[node.inputs.index(self.relus[node.outputs[0]])])]
            raise _TiedError(f"{node.call or node.name} has a derivative of its own")

        def body(*operands: Any) -> list[Any]:
            known = dict(zip(node.inputs, operands, strict=True))
            for child in node.body or ():
                self.node(child, known, node.name_stack)
            return [self.read(number, known) for number in node.outputs]

        body.__name__ = node.call or "call"
        return list(jax.jit(body)(*inputs))

    def leaf(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The results at the new size, of an operation that is tied to none."""
        by_hand = {"slice": self.slice, "reshape": self.reshape, "broadcast_in_dim": self.broadcast}
        checks = {"conv_general_dilated": self.convolution, "dot_general": self.dot, "pad": self.pad}
        if node.name in ELEMENTWISE:
            return self.elementwise(node, inputs)
        if node.name in by_hand:
            return by_hand[node.name](node, inputs)
        if node.name in _ALONG:
            parameter, what = _ALONG[node.name]
            if any(self.spatial(number) & set(np.atleast_1d(node.params[parameter])) for number in node.inputs):
                raise _TiedError(f"{what.format(node.name)} is tied to it")
        elif node.name.startswith("reduce_window"):
            self.window(node, inputs)
        elif node.name in checks:
            checks[node.name](node, inputs)
        elif node.name != "transpose":
            raise _TiedError(f"{node.name} is tied to it")
        return node.apply(inputs)

    def spatial(self, number: int) -> set[int]:
        """Axes of a value that hold a spatial extent, alone or among others."""
        return {k for k, axis in enumerate(self.abstract[number].axes) if any(is_spatial(role) for role, _ in axis)}

    def elementwise(self, node: Node, inputs: list[Any]) -> list[Any]:
        """Operands that do not see the image must spread over the map, or be one number all over."""
        # Traced at 8 x 8, `x + b` with b of (1, 1, 1, 4) is right at any size; with b of (1, 8, 8, 4), a position
        # embedding, it is not; with ones of (1, 8, 8, 1), a bound that was broadcast while tracing, it is again.
        shapes = [jnp.shape(x) for x, n in zip(inputs, node.inputs, strict=True) if self.abstract[n].depends]
        if len(set(shapes)) > 1:
            shapes = [jnp.broadcast_shapes(*shapes)]
        fitted = []
        for value, number in zip(inputs, node.inputs, strict=True):
            abstract = self.abstract[number]
            if (
                abstract.depends
                or jnp.ndim(value) == 0
                or all(
                    old in (1, new) and (old == 1 or axis not in self.spatial(node.outputs[0]))
                    for axis, (old, new) in enumerate(zip(jnp.shape(value), shapes[0], strict=False))
                )
            ):
                fitted.append(value)
            elif abstract.uniform is not None:
                fitted.append(jnp.full(shapes[0], abstract.uniform, jnp.result_type(value)))
            else:
                raise _TiedError(f"{node.name} with an array of {'x'.join(map(str, jnp.shape(value)))} is tied to it")
        return node.apply(fitted)

    def strided(self, node: Node, old: Sequence[int], new: Sequence[int], strides: Any, padding: Any) -> None:
        """TensorFlow's SAME pads by the extent modulo the stride: the same only where that is."""
        # SAME pads max(size - stride, 0) if the stride divides the extent, else max(size - extent % stride, 0). Size 3,
        # stride 2: 224 rows get one row of padding below, 225 get one above and one below. Whether padding that stands
        # in the program came from SAME cannot be told, so it is refused where SAME would choose otherwise.
        for before, after, stride, pad in zip(old, new, strides, padding, strict=True):
            if stride > 1 and (any(pad) or self.padded) and (after - before) % stride:
                raise _TiedError(
                    f"{node.name} has stride {stride} and padding on {before} units, which may be another on {after}; "
                    f"a size that gives {before % stride} modulo {stride} there will do"
                )

    def convolution(self, node: Node, inputs: list[Any]) -> None:
        if not self.abstract[node.inputs[0]].depends or self.abstract[node.inputs[1]].depends:
            raise _TiedError("a convolution with a kernel made of the image")
        axes = node.params["dimension_numbers"].lhs_spec[2:]
        old = [self.values[node.inputs[0]].shape[k] for k in axes]
        new = [inputs[0].shape[k] for k in axes]
        self.strided(node, old, new, node.params["window_strides"], node.params["padding"])

    def window(self, node: Node, inputs: list[Any]) -> None:
        source = next(number for number in node.inputs if self.abstract[number].depends)
        old, new = self.values[source].shape, jnp.shape(inputs[0])
        dims = node.params["window_dimensions"]
        if any(size > 1 and size == old[k] for k, size in enumerate(dims)):
            raise _TiedError("a pool over the whole map is tied to it")
        self.strided(node, old, new, node.params["window_strides"], node.params["padding"])

    def dot(self, node: Node, inputs: list[Any]) -> None:
        contracted, batch = node.params["dimension_numbers"]
        for number, axes, more in zip(node.inputs, contracted, batch, strict=True):
            if self.spatial(number) & {*axes, *more}:
                raise _TiedError("a dense layer over positions is tied to it")

    def pad(self, node: Node, inputs: list[Any]) -> None:
        self.padded |= any(any(node.params["padding_config"][k]) for k in self.spatial(node.inputs[0]))

    def slice(self, node: Node, inputs: list[Any]) -> list[Any]:
        old = self.values[node.inputs[0]].shape
        starts, limits = list(node.params["start_indices"]), list(node.params["limit_indices"])
        strides = list(node.params["strides"] or (1,) * len(old))
        for axis in self.spatial(node.inputs[0]):
            if starts[axis] or limits[axis] != old[axis]:
                raise _TiedError("a crop is tied to it")
            limits[axis] = inputs[0].shape[axis]
        return [lax.slice(inputs[0], starts, limits, strides)]

    def reshape(self, node: Node, inputs: list[Any]) -> list[Any]:
        """Only axes of length one may come and go."""
        old, new = self.values[node.inputs[0]].shape, node.params["new_sizes"]
        if [n for n in old if n != 1] != [n for n in new if n != 1]:
            raise _TiedError("a reshape is tied to it")
        if any(old[axis] == 1 for axis in self.spatial(node.inputs[0])):
            raise _TiedError("a reshape of a map of one position is tied to it")
        kept = iter(n for n, before in zip(inputs[0].shape, old, strict=True) if before != 1)
        return [jnp.reshape(inputs[0], [1 if n == 1 else next(kept) for n in new])]

    def broadcast(self, node: Node, inputs: list[Any]) -> list[Any]:
        shape, where = list(node.params["shape"]), node.params["broadcast_dimensions"]
        old = self.values[node.inputs[0]].shape
        for axis, place in enumerate(where):
            if axis in self.spatial(node.inputs[0]):
                if shape[place] != old[axis]:
                    raise _TiedError("spreading one position over a map is tied to it")
                shape[place] = inputs[0].shape[axis]
        return [lax.broadcast_in_dim(inputs[0], shape, where)]
