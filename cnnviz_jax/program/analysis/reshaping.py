"""How a reshape carries abstract values: axes merged keep their factors, and axes split again get them back."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, Role, is_spatial
from cnnviz_jax.program.analysis.reach import Reach
from cnnviz_jax.program.analysis.rulebook import RuleContext, rule, unknown
from cnnviz_jax.program.graph.graph import Node

Group = tuple[list[int], list[int]]
"""Positions of old axes, and of the new axes that hold the same elements."""


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
    factors = [factor for axis in source.axes for factor in axis]
    if len(factors) > len(source.axes) and [size for _, size in factors] == list(
        shape
    ):  # each alone, of one unit or more
        return [replace(source, axes=tuple((factor,) for factor in factors), uniform=None)]
    old = [prod(size for _, size in axis) for axis in source.axes]
    axes: list[Axis] = [((None, 1),)] * len(shape)
    reach = list(source.seen())
    for inside, outside in _with_lone_units(_groups(old, shape), source.axes):
        factors = [factor for k in inside for factor in source.axes[k]]
        if len(outside) == 1 and len(inside) == 1:
            axes[outside[0]] = source.axes[inside[0]]
            continue
        if len(outside) == 1 and _has_lone_unit(factors):
            axes[outside[0]] = _merged(factors, reach)
            continue
        for role, size in factors:
            if size == 1 and is_spatial(role):
                reach[role] = reach[role].hull()
        factors = [factor for factor in factors if factor[1] != 1]
        for position in outside:
            axes[position] = _take(factors, shape[position], reach)
    if (("C", 1),) in source.axes and not any(role in ("C", "c") for axis in axes for role, _ in axis):
        # A single channel went into other axes: parts of space that stand alone are channels now (space to depth).
        free = [k for k, axis in enumerate(axes) if shape[k] > 1 and all(role is None for role, _ in axis)]
        if len(free) == 1:
            axes[free[0]] = (("C", shape[free[0]]),)
    return [replace(source, axes=whole_channels(axes), reach=tuple(reach), uniform=None)]


def _groups(old: Sequence[int], new: Sequence[int]) -> list[Group]:
    """The smallest runs of old and new axes that hold the same elements."""
    # (1, 8, 8, 4) and (64, 2, 2): 1 | 8 8 | 4 and | 64 | 2 2, that is [0]-[], [1, 2]-[0], [3]-[1, 2]. The products of a
    # run are compared as it grows; an axis of length 1 at its border stays out, so that a run is as short as can be.
    groups: list[Group] = []
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


def _with_lone_units(groups: list[Group], axes: Sequence[Axis]) -> list[Group]:
    """The groups, with each spatial axis of length 1 that a reshape drops put to the axis that stands for it now."""
    # `jnp.repeat(x, 2, 2)` is (1, 8, 8, 4) -> (1, 8, 8, 2, 4) -> (1, 8, 16, 4), and sizes say that 8 and 2 are one run.
    # Of a map one column wide, (1, 8, 1, 2, 4) -> (1, 8, 2, 4), they say that the 1 went and the 2 stayed; but the two
    # units are that column, repeated. So a nameless axis behind it joins its group, or parts of channels behind it
    # (depth to space), or a nameless axis in front (tiled). Of two dropped side by side either could be meant: neither.
    found: list[Group] = []
    rest = list(groups)
    while rest:
        inside, outside = rest.pop(0)
        if not _is_dropped((inside, outside), axes):
            found.append((inside, outside))
        elif rest and not (found and _is_dropped(found[-1], axes)) and _stands_for(rest[0], axes, (None, "c")):
            found.append((inside + rest[0][0], rest.pop(0)[1]))
        elif found and not (rest and _is_dropped(rest[0], axes)) and _stands_for(found[-1], axes, (None,)):
            found[-1] = (found[-1][0] + inside, found[-1][1])
        else:
            found.append((inside, outside))
    return found


def _is_dropped(group: Group, axes: Sequence[Axis]) -> bool:
    dropped = axes[group[0][0]] if group[0] else ()
    return not group[1] and len(dropped) == 1 and is_spatial(dropped[0][0]) and dropped[0][1] == 1


def _stands_for(group: Group, axes: Sequence[Axis], roles: Sequence[Role]) -> bool:
    return len(group[1]) == 1 and bool(group[0]) and all(role in roles for k in group[0] for role, _ in axes[k])


def _has_lone_unit(factors: Sequence[tuple[Role, int]]) -> bool:
    """Whether the one spatial axis among nameless factors has length 1."""
    spatial = [factor for factor in factors if is_spatial(factor[0])]
    rest = {role for role, _ in factors if not is_spatial(role)}
    return len(spatial) == 1 and spatial[0][1] == 1 and (rest == {None} or (factors[0] == spatial[0] and "c" in rest))


def _take(factors: list[tuple[Role, int]], size: int, reach: list[Reach]) -> Axis:
    """Take factors worth `size` elements off the front of `factors`, splitting one if need be."""
    # Wanted 16 of ((0, 8), (1, 8)): all of rows, then 2 of the columns: ((0, 8), (1, 2)), which leaves (None, 4) and
    # blocks of 4 columns. Parts of channels stay known as "c", to become "C" again when they meet (`whole_channels`).
    taken: list[tuple[Role, int]] = []
    need = size
    while need > 1:
        role, length = factors[0]
        if need % length == 0:
            taken.append(factors.pop(0))
            need //= length
        elif length % need == 0:
            minor = length // need
            if is_spatial(role):
                reach[role] = reach[role].blocks(minor)
            part: Role = "c" if role in ("C", "c") else role
            taken.append((part, need))
            factors[0] = ("c" if role in ("C", "c") else None, minor)
            need = 1
        else:  # parts of both: no role fits
            for lost, _ in factors:
                if is_spatial(lost):
                    reach[lost] = reach[lost].hull()
            total = prod(length for _, length in factors)
            factors[:] = [(None, total // need)] if total != need else []
            taken.append((None, need))
            need = 1
    return _merged(taken, reach) if taken else ((None, 1),)


def _merged(factors: list[tuple[Role, int]], reach: list[Reach]) -> Axis:
    """One factor where the axis is a spatial axis repeated, or plain channels; the row of factors otherwise."""
    roles = [role for role, _ in factors]
    spatial = [role for role in roles if is_spatial(role)]
    total = prod(size for _, size in factors)
    if not spatial:
        named: Role = "C" if "C" in roles else "c" if "c" in roles else None
        return ((named, total),)
    if len(factors) == 1 or len(spatial) > 1 or "C" in roles:
        return tuple(factors)
    # Rows that stand among nameless factors are repeated: behind `jnp.repeat(x, 2, 1)` by broadcast and reshape the
    # axis is ((0, 8), (None, 2)), units 0 0 1 1 2 2 ...; with the nameless factor in front, units 0 1 ... 7 0 1 ... 7.
    role, place = spatial[0], roles.index(spatial[0])
    before, after = prod(size for _, size in factors[:place]), prod(size for _, size in factors[place + 1 :])
    reach[role] = reach[role].repeat(after).tile(before)
    return ((role, total),)


def whole_channels(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Channel parts that all stand in one axis are the channels again."""
    # Channel shuffle: one axis (C, 12), reshaped to two (c, 3) and (c, 4), transposed, and merged to (c, 12): the
    # channels in another order. In two axes, or beside rows, they stay parts.
    holders = [k for k, axis in enumerate(axes) if any(role in ("C", "c") for role, _ in axis)]
    if len(holders) != 1 or any(role not in ("c", None) for role, _ in axes[holders[0]]):
        return tuple(axes)
    size = prod(size for _, size in axes[holders[0]])
    return tuple((("C", size),) if k == holders[0] else axis for k, axis in enumerate(axes))
