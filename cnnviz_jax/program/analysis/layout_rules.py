"""How operations that move elements carry abstract values: reshape, transpose, broadcast, slice, pad, join, gather."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, Role, length, single
from cnnviz_jax.program.analysis.reach import Reach, joined, union
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
    return [replace(operands[0], axes=_whole_channels(kept))]


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
            if role in (0, 1):
                sizes[role] = shape[target]
    return [source.changed(axes, lambda k, reach: reach.hull().spread(sizes[k]) if k in sizes else reach)]


@rule("expand_dims")
def _expand(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    added = set(node.params["dimensions"])
    old = iter(operands[0].axes)
    count = len(operands[0].axes) + len(added)
    return [replace(operands[0], axes=tuple(((None, 1),) if k in added else next(old) for k in range(count)))]


@rule("reshape")
def _reshape(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    """Group the axes that a reshape merges and splits, and deal their factors out again, major first."""
    # Row-major order lists elements by the first axis, then the second: a reshape keeps that list and cuts it anew. So
    # (1, 8, 8, 4) -> (1, 64, 4) merges the run 8, 8, and the new axis is the row of factors ((0, 8), (1, 8)); a later
    # (1, 64, 4) -> (1, 8, 8, 4) takes 8 off its front, then 8, and rows and columns are back with nothing lost.
    # (1, 8, 8, 4) -> (1, 4, 2, 8, 4), as in pooling by hand, splits the rows: unit i of the 4 is rows 2 i and 2 i + 1
    # (`Reach.blocks`), and the inner 2 has no role. A cut across factors, 6 off (4, 9), leaves none.
    source, shape = operands[0], context.shape(node.outputs[0])
    if prod(shape) == 0:
        return unknown(context, node, operands)
    old = [prod(size for _, size in axis) for axis in source.axes]
    axes: list[Axis] = [((None, 1),)] * len(shape)
    reach = list(source.seen())
    for inside, outside in _groups(old, shape):
        factors = [factor for k in inside for factor in source.axes[k]]
        if len(outside) == 1 and len(inside) == 1:
            axes[outside[0]] = source.axes[inside[0]]
            continue
        for role, _ in (f for f in factors if f[1] == 1 and f[0] in (0, 1)):
            reach[role] = reach[role].hull()  # type: ignore[index]
        factors = [factor for factor in factors if factor[1] != 1]
        for position in outside:
            axes[position] = _take(factors, shape[position], reach)
    if (("C", 1),) in source.axes and not any(role in ("C", "c") for axis in axes for role, _ in axis):
        # A single channel went into other axes: parts of space that stand alone are channels now (space to depth).
        free = [k for k, axis in enumerate(axes) if shape[k] > 1 and all(role is None for role, _ in axis)]
        if len(free) == 1:
            axes[free[0]] = (("C", shape[free[0]]),)
    return [replace(source, axes=_whole_channels(axes), reach=(reach[0], reach[1]), uniform=None)]


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of old and new axes that hold the same elements."""
    # (1, 8, 8, 4) and (64, 2, 2): 1 | 8 8 | 4 and | 64 | 2 2, that is [0]-[], [1, 2]-[0], [3]-[1, 2]. The products of a
    # run are compared as it grows; an axis of length 1 at its border stays out, so that a run is as short as can be.
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            groups.append(([i], [j]))
            i, j = i + 1, j + 1
        elif i < len(old) and old[i] == 1:
            groups.append(([i], []))
            i += 1
        elif j < len(new) and new[j] == 1:
            groups.append(([], [j]))
            j += 1
        else:
            inside, outside = [i], [j]
            left, right = old[i], new[j]
            i, j = i + 1, j + 1
            while left != right:
                if left < right:
                    left *= old[i]
                    inside.append(i)
                    i += 1
                else:
                    right *= new[j]
                    outside.append(j)
                    j += 1
            groups.append((inside, outside))
    return groups


def _take(factors: list[tuple[Role, int]], size: int, reach: list[Reach]) -> Axis:
    """Take factors worth `size` elements off the front of `factors`, splitting one if need be."""
    # Wanted 16 of ((0, 8), (1, 8)): all of rows, then 2 of the columns: ((0, 8), (1, 2)), which leaves (None, 4) and
    # blocks of 4 columns. Parts of channels stay known as "c", to become "C" again when they meet (`_whole_channels`).
    taken: list[tuple[Role, int]] = []
    need = size
    while need > 1:
        role, length = factors[0]
        if need % length == 0:
            taken.append(factors.pop(0))
            need //= length
        elif length % need == 0:
            minor = length // need
            if role in (0, 1):
                reach[role] = reach[role].blocks(minor)
            part: Role = "c" if role in ("C", "c") else role
            taken.append((part, need))
            factors[0] = ("c" if role in ("C", "c") else None, minor)
            need = 1
        else:  # parts of both: no role fits
            for lost, _ in factors:
                if lost in (0, 1):
                    reach[lost] = reach[lost].hull()
            total = prod(length for _, length in factors)
            factors[:] = [(None, total // need)] if total != need else []
            taken.append((None, need))
            need = 1
    return _merged(taken, reach) if taken else ((None, 1),)


def _merged(factors: list[tuple[Role, int]], reach: list[Reach]) -> Axis:
    """One factor where the axis is a spatial axis repeated, or plain channels; the row of factors otherwise."""
    roles = [role for role, _ in factors]
    spatial = [role for role in roles if role in (0, 1)]
    total = prod(size for _, size in factors)
    if not spatial:
        whole = "C" in roles
        parts = "c" in roles
        return (("C", total),) if whole else ((("c", total),) if parts else ((None, total),))
    if len(factors) == 1 or len(spatial) > 1 or "C" in roles:
        return tuple(factors)
    # Rows that stand among nameless factors are repeated: behind `jnp.repeat(x, 2, 1)` by broadcast and reshape the
    # axis is ((0, 8), (None, 2)), units 0 0 1 1 2 2 ...; with the nameless factor in front, units 0 1 ... 7 0 1 ... 7.
    role, place = spatial[0], roles.index(spatial[0])
    before, after = prod(size for _, size in factors[:place]), prod(size for _, size in factors[place + 1 :])
    reach[role] = reach[role].repeat(after).tile(before)
    return ((role, total),)


def _whole_channels(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Channel parts that all stand in one axis are the channels again."""
    # Channel shuffle: one axis (C, 12), reshaped to two (c, 3) and (c, 4), transposed, and merged to (c, 12): the
    # channels in another order. In two axes, or beside rows, they stay parts.
    holders = [k for k, axis in enumerate(axes) if any(role in ("C", "c") for role, _ in axis)]
    if len(holders) != 1 or any(role not in ("c", None) for role, _ in axes[holders[0]]):
        return tuple(axes)
    size = prod(size for _, size in axes[holders[0]])
    return tuple((("C", size),) if k == holders[0] else axis for k, axis in enumerate(axes))


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
        source = source.along(position, units, partial(_padded, units=units, low=int(low), inner=int(inner)))
    return [source]


def _padded(reach: Reach, *, units: int, low: int, inner: int) -> Reach:
    return reach.windows(units, 1, 1, low, base=inner + 1)


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
            return union(_same_length([operand.seen()[k] for operand in level]))
        places = iter(level)
        parts = [(next(places).seen()[k] if o.depends else None, n) for o, n in zip(operands, sizes, strict=True)]
        return joined(parts, context.extents[k])

    return [AbstractValue(True, axes=tuple(axes), reach=(reach(0), reach(1)))]


def _as_one_factor(source: AbstractValue, position: int, role: Role) -> AbstractValue:
    """The same with axis `position` as one factor of another role, its spatial units united."""
    lost = {factor[0] for factor in source.axes[position]}
    axes = [*source.axes[:position], ((role, length(source.axes[position])),), *source.axes[position + 1 :]]
    return source.changed(axes, lambda k, reach: reach.hull() if k in lost else reach)


def _same_length(parts: list[Reach]) -> list[Reach]:
    """Parts whose tables may be united: those of another length than the first become one interval."""
    units = max(len(part.first) for part in parts)
    return [part if len(part.first) in (1, units) else part.hull() for part in parts]


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
            source = source.along(position, new, partial(_somewhere, units=new))
        else:
            begin = int(np.clip(int(start), 0, old - new))
            source = picked(source, position, range(begin, begin + new))
    return [source]


def _somewhere(reach: Reach, *, units: int) -> Reach:
    return reach.hull().spread(units)
