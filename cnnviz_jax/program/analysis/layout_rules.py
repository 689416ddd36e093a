"""How operations that move elements carry abstract values: transpose, broadcast, slice, pad, join, gather."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from operator import methodcaller
from typing import Any

import numpy as np

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, Role, is_spatial, length, single
from cnnviz_jax.program.analysis.reach import Reach, joined, union
from cnnviz_jax.program.analysis.reshaping import whole_channels
from cnnviz_jax.program.analysis.rulebook import RuleContext, rule, unknown
from cnnviz_jax.program.graph.graph import Node


@rule("transpose")
def _transpose(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    source = operands[0]
    return [replace(source, axes=tuple(source.axes[k] for k in node.params["permutation"]))]


@rule("squeeze")
def _squeeze(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    gone = {k % len(operands[0].axes) for k in node.params["dimensions"]}
    kept = [axis for k, axis in enumerate(operands[0].axes) if k not in gone]
    return [replace(operands[0], axes=whole_channels(kept))]


@rule("broadcast_in_dim")
def _broadcast(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    source, shape = operands[0], context.shape(node.outputs[0])
    axes: list[Axis] = [((None, size),) for size in shape]
    sizes: dict[int, int] = {}
    for position, target in enumerate(node.params["broadcast_dimensions"]):
        axis = source.axes[position]
        if prod(size for _, size in axis) == shape[target]:
            axes[target] = axis
        else:  # one unit becomes many, all alike
            role = single(axis)
            axes[target] = ((role, shape[target]),)
            if is_spatial(role):
                sizes[role] = shape[target]
    return [source.changed(axes, lambda k, reach: reach.hull().spread(sizes[k]) if k in sizes else reach)]


@rule("expand_dims")
def _expand(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    added = set(node.params["dimensions"])
    old = iter(operands[0].axes)
    count = len(operands[0].axes) + len(added)
    return [replace(operands[0], axes=tuple(((None, 1),) if k in added else next(old) for k in range(count)))]


def picked(source: AbstractValue, position: int, index: np.ndarray | Sequence[int]) -> AbstractValue:
    """What is known of units `index` of an axis; -1 for a unit that sees nothing."""
    return source.along(position, len(index), lambda reach: reach.select(index))


@rule("slice")
def _slice(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    start, limit = node.params["start_indices"], node.params["limit_indices"]
    strides = node.params["strides"] or (1,) * len(start)
    source = operands[0]
    for position, size in enumerate(context.shape(node.inputs[0])):
        index = range(int(start[position]), int(limit[position]), int(strides[position]))
        if len(index) != size:
            source = picked(source, position, index)
    return [source]


@rule("rev")
def _reverse(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    source = operands[0]
    for position in node.params["dimensions"]:
        source = picked(source, position, range(context.shape(node.inputs[0])[position])[::-1])
    return [source]


@rule("split")
def _split(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    parts, start = [], 0
    for size in node.params["sizes"]:
        parts.append(picked(operands[0], node.params["axis"], range(start, start + int(size))))
        start += int(size)
    return parts


@rule("pad")
def _pad(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    if operands[1].depends:
        return unknown(context, node, operands)
    source = operands[0]
    for position, (low, high, inner) in enumerate(node.params["padding_config"]):
        size = context.shape(node.inputs[0])[position]
        if low == high == inner == 0 or size == 0:
            continue
        units = context.shape(node.outputs[0])[position]
        source = source.along(position, units, methodcaller("windows", units, 1, 1, int(low), base=int(inner) + 1))
    return [source]


@rule("concatenate")
def _concatenate(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    position = node.params["dimension"]
    lengths = [context.shape(number)[position] for number in node.inputs]
    # Borders of no length, such as `jnp.pad(mode="edge")` puts around axes that it does not pad, join nothing.
    filled = [(operand, size) for operand, size in zip(operands, lengths, strict=True) if size]
    if not any(operand.depends for operand, _ in filled):
        return unknown(context, node, operands)
    if len(filled) == 1:
        return [filled[0][0]]
    operands, sizes = [operand for operand, _ in filled], [size for _, size in filled]
    known = [operand for operand in operands if operand.depends]
    role = next((found for operand in known if (found := single(operand.axes[position])) is not None), None)
    if role == "B":
        context.mixes(node)
    level = [
        operand if single(operand.axes[position]) == role else _as_one_factor(operand, position, role)
        for operand in known
    ]
    axes = list(level[0].axes)
    axes[position] = ((role, sum(sizes)),)

    def reach(k: int) -> Reach:
        if k != role:
            # Parts of another length than the longest become one interval: tables unite unit by unit.
            seen = [operand.seen()[k] for operand in level]
            units = max(len(part.first) for part in seen)
            return union([part if len(part.first) in (1, units) else part.hull() for part in seen])
        places = iter(level)
        parts = [(next(places).seen()[k] if o.depends else None, n) for o, n in zip(operands, sizes, strict=True)]
        return joined(parts, context.extents[k])

    return [AbstractValue(True, axes=tuple(axes), reach=tuple(map(reach, range(len(context.extents)))))]


def _as_one_factor(source: AbstractValue, position: int, role: Role) -> AbstractValue:
    """The same with axis `position` as one factor of another role, its spatial units united."""
    lost = {factor[0] for factor in source.axes[position]}
    axes = [*source.axes[:position], ((role, length(source.axes[position])),), *source.axes[position + 1 :]]
    return source.changed(axes, lambda k, reach: reach.hull() if k in lost else reach)


@rule("gather")
def _gather(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    """Fixed rows of one axis, as nearest resizing and `take` have them; anything else may see everything."""
    numbers: Any = node.params["dimension_numbers"]
    sizes, shape = node.params["slice_sizes"], context.shape(node.inputs[0])
    cut = [k for k, size in enumerate(sizes) if size != shape[k]]
    index = None if operands[1].depends or not operands[0].depends else context.constant(node.inputs[1])
    simple = (
        index is not None
        and index.ndim == 2
        and index.shape[1] == 1
        and tuple(numbers.start_index_map) == tuple(numbers.collapsed_slice_dims)
        and set(cut) <= set(numbers.start_index_map)
        and len(numbers.start_index_map) == 1
    )
    if not simple or index is None:
        return unknown(context, node, operands)
    position = numbers.start_index_map[0]
    source = picked(operands[0], position, np.clip(index[:, 0], 0, shape[position] - 1))
    rest = iter(axis for k, axis in enumerate(source.axes) if k != position)
    count = len(context.shape(node.outputs[0]))
    offsets = set(numbers.offset_dims)
    return [replace(source, axes=tuple(next(rest) if k in offsets else source.axes[position] for k in range(count)))]


@rule("dynamic_slice")
def _dynamic_slice(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    if any(operand.depends for operand in operands[1:]):
        return unknown(context, node, operands)
    source, before, after = operands[0], context.shape(node.inputs[0]), context.shape(node.outputs[0])
    for position, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        start = context.constant(node.inputs[1 + position])
        if start is None:
            source = source.along(position, new, lambda reach, new=new: reach.hull().spread(new))  # type: ignore[misc]
        else:
            begin = int(np.clip(int(start), 0, old - new))
            source = picked(source, position, range(begin, begin + new))
    return [source]
