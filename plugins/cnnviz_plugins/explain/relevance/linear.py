"""Layers with weights, as the program has them: the product, and all that follows it affinely, as one `W x + b`.

So BatchNorm behind a convolution is folded into it, whoever wrote it and in whatever order its arithmetic stands. No
kernel is turned or re-built: a scale `s` per unit of the product makes `(s K)+ x = s+ (K+ x) + s- (K- x)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import RECASTS, Model, Node, Operation


@dataclass(frozen=True, eq=False)
class AffineChain:
    """One layer with weights on the program."""

    operation: Operation
    value: int
    """The value behind everything that is folded in."""
    chain: tuple[Node, ...]
    """The nodes behind the product, in order: recasts, and affine ones with one image-dependent operand."""

    @property
    def source(self) -> int:
        """The value that the weights multiply."""
        return self.operation.inputs[0]

    @property
    def fixed(self) -> tuple[int, ...]:
        """The values it reads that the image does not feed, the kernel first."""
        seen = {self.source, self.operation.node.outputs[0], *(node.outputs[0] for node in self.chain)}
        found = [number for node in (self.operation.node, *self.chain) for number in node.inputs if number not in seen]
        kernel = () if self.operation.kernel is None else (self.operation.kernel,)
        return tuple(dict.fromkeys((*kernel, *found)))

    @property
    def folded(self) -> tuple[int, ...]:
        """The values before the last that differ from it by arithmetic alone: each unit of theirs is one of its."""
        found: list[int] = []
        for node in reversed(self.chain):
            if node.name in RECASTS:
                break
            found.append(next(number for number in node.inputs if number in self._inner))
        return tuple(found)

    @property
    def _inner(self) -> frozenset[int]:
        return frozenset((self.operation.node.outputs[0], *(node.outputs[0] for node in self.chain[:-1])))

    @property
    def has_scale(self) -> bool:
        """Whether the chain may change the sign or the size of weights."""
        return any(node.name not in RECASTS and node.name not in ("add", "add_any") for node in self.chain)


def affine_chain(
    model: Model, operation: Operation, ends: frozenset[int], closed: frozenset[int]
) -> AffineChain | None:
    """Return the layer that an operation begins; `None` if the image makes its weights.

    Args:
        model: The model.
        operation: A convolution or a dense layer.
        ends: Values that must be computed as they are, because somebody reads them: the chain does not pass them.
        closed: Orders of the nodes that belong to something else, such as an activation.
    """
    if operation.kernel is None or len(operation.inputs) != 1:
        return None
    graph, analysis = model.program.graph, model.program.analysis
    # The chain ends where folding would hide something: at a value that is read or explained, at a second reader (a
    # skip connection must see the value as it is), at an activation, or where a step spreads the value over a larger
    # shape.
    chain: list[Node] = []
    value = operation.node.outputs[0]
    while value not in ends and value not in graph.output_ids and len(graph.values[value].consumers) == 1:
        node = graph.values[value].consumers[0]
        if analysis.sources(node) != (value,) or len(node.outputs) != 1 or node.order in closed:
            break
        is_affine = node.name in ("add", "add_any", "sub", "mul", "neg") or (
            node.name == "div" and node.inputs[0] == value
        )
        before, after = graph.values[value].shape, graph.values[node.outputs[0]].shape
        if not (node.name in RECASTS or (is_affine and before == after)):
            break
        chain.append(node)
        value = node.outputs[0]
    while chain and chain[-1].name in RECASTS:  # what only rearranges behind the last scale needs no folding
        chain.pop()
    value = chain[-1].outputs[0] if chain else operation.node.outputs[0]
    return AffineChain(operation, value, tuple(chain))


def clipped(value: Float[Array, "..."], sign: int) -> Float[Array, "..."]:
    """Return the positive part of a value for a positive sign, else the negative one."""
    return jnp.maximum(value, 0) if sign > 0 else jnp.minimum(value, 0)


class FoldedLayer:
    """An affine chain with its numbers: `W x + b` and the variants of `W` that rules ask for.

    Args:
        affine: The layer.
        x: Its input.
        fixed: The values of `affine.fixed`, in order.
        is_non_negative: Whether `x` is known to have no negative entries, which saves half of some rules' work.
        present: 1 where `x` is a unit of the network, 0 where it is padding.
    """

    def __init__(
        self, affine: AffineChain, x: Array, fixed: Sequence[Array], *, is_non_negative: bool, present: Array
    ) -> None:
        self._chain, self._fixed = affine, dict(zip(affine.fixed, fixed, strict=True))
        self._kernel = fixed[0]
        self.is_non_negative, self.present = is_non_negative, present
        shape = jax.eval_shape(lambda x: self._product(x, self._kernel), x)
        self._zero = jnp.zeros(shape.shape, shape.dtype)
        self._scale: Array | None = None
        """What the chain multiplies each unit of the product by; `None` where it multiplies none."""
        # The chain maps the product u to s u + t unit by unit. The derivative at any u is s: one `vjp` of ones reads it
        # off, whatever the arithmetic. For batch norm, (u - mean) * rsqrt(var + eps) * scale + bias, it is the scale
        # over the root, spread over the map. W+ of the folded layer is then s+ K+ + s- K-, so no kernel is rebuilt per
        # channel.
        if affine.has_scale:
            after, back = jax.vjp(self._after, self._zero)
            self._scale = back(jnp.ones_like(after))[0]

    def value(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`W x + b`, exactly as the program computes it."""
        return self._after(self._product(x, self._kernel))

    def bias(self) -> Float[Array, "..."]:
        """`b`: the value where the product is zero."""
        return self._after(self._zero)

    def whole(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`W x`."""
        return self._scaled(self._product(x, self._kernel))

    def signed(self, x: Float[Array, "..."], sign: int) -> Float[Array, "..."]:
        """`W+ x` for a positive sign, `W- x` for a negative one."""
        # (s K)+ x = s (K+ x) where s > 0 and s (K- x) where s < 0: -2 * (3, -1) = (-6, 2), whose positive part is that
        # of K-. A unit's scale is one number, so both products are computed and one is picked.
        same = self._product(x, clipped(self._kernel, sign))
        if self._scale is not None:
            same = jnp.where(self._scale > 0, same, self._product(x, clipped(self._kernel, -sign)))
        return self._scaled(same)

    def ones(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`x` summed by weights that are all 1."""
        return self._rearranged(self._product(x, jnp.ones_like(self._kernel)))

    def squares(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """`x` summed by the squares of `W`."""
        product = self._product(x, jnp.square(self._kernel))
        return self._rearranged(product if self._scale is None else jnp.square(self._scale) * product)

    def _product(self, x: Array, kernel: Array) -> Array:
        operation = self._chain.operation
        known = {**self._fixed, self._chain.source: x, self._chain.fixed[0]: kernel}
        product: Array = operation.node.apply([known[number] for number in operation.node.inputs])[0]
        return product

    def _after(self, product: Array) -> Array:
        """The chain."""
        for node in self._chain.chain:
            product = node.apply([self._fixed.get(number, product) for number in node.inputs])[0]
        return product

    def _rearranged(self, product: Array) -> Array:
        """The chain without its arithmetic."""
        for node in self._chain.chain:
            product = node.apply([product])[0] if node.name in RECASTS else product
        return product

    def _scaled(self, product: Array) -> Array:
        """The chain without its shifts."""
        return self._rearranged(product if self._scale is None else self._scale * product)
