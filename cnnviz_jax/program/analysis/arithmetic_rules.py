"""How operations that compute carry abstract values: elementwise, convolutions, pools, products, reductions, sorts."""

from collections.abc import Sequence
from operator import methodcaller

import numpy as np

from cnnviz_jax.program.analysis.abstract_values import AbstractValue, Axis, Role, is_spatial, length, single
from cnnviz_jax.program.analysis.reach import Reach, union
from cnnviz_jax.program.analysis.rulebook import RuleContext, rule, unknown
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE


@rule(*sorted(ELEMENTWISE))
def elementwise(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    """One result: all operands meet. Several results: each goes with the operand in its place."""
    if len(node.outputs) > 1:
        blank = AbstractValue()
        return [operand if operand.depends else blank for operand in operands]
    known = [operand for operand in operands if operand.depends]
    if len(known) == 1 and len(known[0].axes) == len(context.shape(node.outputs[0])):
        shape = context.shape(node.outputs[0])
        if all(length(axis) == size for axis, size in zip(known[0].axes, shape, strict=True)):
            return [known[0]]
    return [together(known, context.shape(node.outputs[0]))]


def together(known: Sequence[AbstractValue], shape: tuple[int, ...]) -> AbstractValue:
    """What is known where each unit sees the like unit of each operand; length 1 and scalars spread."""
    # Along each axis the operand that fills it and knows its role decides: (1, 8, 8, 4) as B 0 1 C plus (1, 1, 1, 4)
    # of which only the last is known gives B 0 1 C. A reach is united unit by unit if its operand has this spatial axis
    # in the same place and length; otherwise (a gate per channel, a row spread over columns) its hull goes to all.
    full = [operand for operand in known if len(operand.axes) == len(shape)]
    axes: list[Axis] = []
    for position, size in enumerate(shape):
        choices = sorted((operand.axes[position] for operand in full), key=lambda a: (length(a) != size, _is_blank(a)))
        if not choices:
            axes.append(((None, size),))
        elif length(choices[0]) == size:
            named = [axis for axis in choices if not _is_blank(axis)]
            best = choices[0]
            if _is_blank(best) and named:
                role = single(named[0])
                best = ((role, size),)
            axes.append(best)
        else:
            axes.append(((single(choices[0]), size),))
    result = AbstractValue(True, axes=tuple(axes))
    reach = []
    for k in range(len(known[0].seen())):
        place = result.carrier(k)
        units = 1 if place is None else next(n for role, n in axes[place] if role == k)
        parts = []
        for operand in known:
            part = operand.seen()[k]
            fits = operand in full and operand.carrier(k) == place and len(part.first) in (1, units)
            parts.append(part if fits or len(part.first) == 1 else part.hull())
        reach.append(union(parts).spread(units))
    return AbstractValue(True, axes=tuple(axes), reach=tuple(reach))


def _is_blank(axis: Axis) -> bool:
    return all(role is None for role, _ in axis)


@rule("conv_general_dilated")
def _convolution(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    params = node.params
    if operands[1].depends or params["batch_group_count"] != 1:
        return unknown(context, node, operands)
    spec, source, shape = params["dimension_numbers"], operands[0], context.shape(node.outputs[0])
    kernel = context.shape(node.inputs[1])
    batch, feature, *inside = spec.lhs_spec
    source = spatial_roles(source, [batch, feature], inside)
    # All in-channels go into each output, so a spatial axis merged into them (space to depth) is seen whole. A spatial
    # axis without a role (time, depth) is slid over as well but nobody's reach; sliding over the batch mixes images.
    lost = {role for role, _ in source.axes[feature] if is_spatial(role)}
    axes: list[Axis] = [()] * len(shape)
    axes[spec.out_spec[0]] = source.axes[batch]
    axes[spec.out_spec[1]] = (("C", shape[spec.out_spec[1]]),)
    windows: dict[Role, tuple[int, int, int, int, int, int]] = {}
    for k, (before, after) in enumerate(zip(inside, spec.out_spec[2:], strict=True)):
        size = kernel[spec.rhs_spec[2 + k]]
        dilation, base = params["rhs_dilation"][k], params["lhs_dilation"][k]
        index_map = (shape[after], size, params["window_strides"][k], params["padding"][k][0], dilation, base)
        role = single(source.axes[before])
        if is_spatial(role):
            windows[role] = index_map
            axes[after] = ((role, shape[after]),)
        elif len(source.axes[before]) == 1:
            axes[after] = ((role if size == 1 else None, shape[after]),)
        else:
            source = source.along(before, shape[after], lambda reach: reach)
            axes[after] = ((None, shape[after]),)
        if role == "B" and size > 1:
            context.mixes(node)

    def reach(k: int, old: Reach) -> Reach:
        old = old.hull() if k in lost else old
        return old.windows(*map(int, windows[k])) if k in windows else old

    return [source.changed(axes, reach)]


def spatial_roles(source: AbstractValue, taken: Sequence[int], inside: Sequence[int]) -> AbstractValue:
    """Give a convolution's spatial axes their roles where the layout was lost on the way (behind an opaque region).

    Units whose place is unknown see whatever all of them see.
    """
    # An operation without a rule has just given roles up: (1, 8, 8, 4) came out as None None None None. A convolution
    # over the middle axes says by itself that these are rows and columns, though which unit saw what is gone.
    present = {role for axis in source.axes for role, _ in axis}
    blank = [k for k in inside if _is_blank(source.axes[k])]
    count = len(source.seen())
    if len(inside) != count or len(blank) != count or any(map(is_spatial, present)):
        return source
    axes = list(source.axes)
    for k, position in enumerate(inside):
        axes[position] = ((k, length(source.axes[position])),)
    return source.changed(axes, lambda k, reach: reach.hull().spread(axes[inside[k]][0][1]))


@rule(
    "reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window",
    "reduce_and_window", "reduce_or_window",
)  # fmt: skip
def _pooling(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    params, shape = node.params, context.shape(node.outputs[0])
    if len(node.outputs) > 1 or any(operand.depends for operand in operands[1:]):
        return unknown(context, node, operands)
    source = operands[0]
    ones = (1,) * len(shape)
    dilations = (params.get("window_dilation") or ones, params.get("base_dilation") or ones)
    for position, size in enumerate(params["window_dimensions"]):
        stride, pad = params["window_strides"][position], params["padding"][position]
        index_map = (shape[position], size, stride, pad[0], dilations[0][position], dilations[1][position])
        if size == 1 and stride == 1 and shape[position] == length(source.axes[position]):
            continue
        role = single(source.axes[position])
        if role == "B" and size > 1:
            context.mixes(node)
        source = source.along(position, shape[position], methodcaller("windows", *map(int, index_map)))
    return [source]


@rule(
    "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor",
    "argmax", "argmin", "reduce",
)  # fmt: skip
def _reduction(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    gone = {int(k) for k in node.params.get("axes", node.params.get("dimensions", ()))}
    if any(operand.depends for operand in operands[1:]):
        return unknown(context, node, operands)
    return [without(context, node, operands[0], gone)] * len(node.outputs)


@rule("psum", "psum_invariant", "pmax", "pmin")
def _collective(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    """Under `vmap` with an axis name: a sum over the batch axis itself, whose position stands among the axis names."""
    gone = {int(axis) for axis in node.params["axes"] if not isinstance(axis, str)}
    return [without(context, node, operand, gone) if operand.depends else AbstractValue() for operand in operands]


def without(context: RuleContext, node: Node, source: AbstractValue, gone: set[int]) -> AbstractValue:
    """What is known behind a sum over the axes `gone`."""
    lost = {role for k in gone for role, _ in source.axes[k]}
    if "B" in lost:
        context.mixes(node)
    kept = [axis for k, axis in enumerate(source.axes) if k not in gone]
    return source.changed(kept, lambda k, reach: reach.hull() if k in lost else reach)


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort", "top_k", "approx_top_k")
def _prefix(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    # Unit i of a prefix sum sees units 0 to i, of a sort any: everything along the axis is right for all of them.
    position = node.params.get("axis", node.params.get("dimension", -1))
    known = [operand for operand in operands if operand.depends]
    source = together(known, context.shape(node.inputs[0]))
    position %= len(source.axes)
    shape = context.shape(node.outputs[0])
    if single(source.axes[position]) == "B":
        context.mixes(node)
    units = shape[position]
    source = source.along(position, units, lambda reach: reach.hull().spread(units))
    return [source] * len(node.outputs)


@rule("dot_general")
def _product(context: RuleContext, node: Node, operands: Sequence[AbstractValue]) -> list[AbstractValue]:
    # dot_general's result has the batched axes, then the left operand's free axes, then the right's. For a dense layer
    # (B 0 1 C) x (in, out) over C: left free B 0 1 keep their places, the other side's one free axis is the new C.
    # Over a spatial axis the result sees all of it, unless the other side is a known matrix: bilinear resizing is
    # y = M x with M (out, in), and row i of the result sees exactly the rows j where M[i, j] != 0, see `Reach.matrix`.
    (contracted, batched) = node.params["dimension_numbers"]
    shape = context.shape(node.outputs[0])
    sides = []
    start = len(batched[0])
    for side in (0, 1):
        inner, outer = set(contracted[side]), list(batched[side])
        free = [k for k in range(len(context.shape(node.inputs[side]))) if k not in inner and k not in outer]
        places = {k: n for n, k in enumerate(outer)} | {k: start + n for n, k in enumerate(free)}
        start += len(free)
        sides.append((inner, free, places))
    parts: list[AbstractValue] = []
    for side, (inner, _, places) in enumerate(sides):
        if not operands[side].depends:
            continue
        source = operands[side]
        roles = {role for k in inner for role, _ in source.axes[k]}
        axes: list[Axis] = [((None, size),) for size in shape]
        for k, place in places.items():
            axes[place] = source.axes[k]
        others = [place for place in sides[1 - side][2].values() if place >= len(batched[0])]
        table = None if operands[1 - side].depends else _table(context, node, side, sides, source)
        if "B" in roles:
            context.mixes(node)
        if table is not None:
            role = single(source.axes[next(iter(inner))])
            axes[others[0]] = ((role, shape[others[0]]),)
            parts.append(source.changed(axes, lambda k, r, role=role, table=table: r.matrix(table) if k == role else r))  # type: ignore[misc]
            continue
        # Mixing one spatial axis by a learned matrix (a token-mixing MLP) leaves no channels: it is no new C.
        # Where none are left (the entries of a vector were the places) it is.
        left = {role for axis in axes for role, _ in axis} & {"C", "c"}
        blank = not roles & {"C", "c"} and any(map(is_spatial, roles)) and left
        if not operands[1 - side].depends and len(others) == 1 and (not blank or len(inner) > 1):
            axes[others[0]] = (("C", shape[others[0]]),)
        parts.append(source.changed(axes, lambda k, reach, roles=roles: reach.hull() if k in roles else reach))  # type: ignore[misc]
    return [parts[0] if len(parts) == 1 else together(parts, shape)]


def _table(
    context: RuleContext,
    node: Node,
    side: int,
    sides: Sequence[tuple[set[int], list[int], dict[int, int]]],
    source: AbstractValue,
) -> np.ndarray | None:
    """Which rows each result uses, where a known matrix is laid over one spatial axis (a resize)."""
    inner, other = sides[side][0], sides[1 - side]
    if len(inner) != 1 or len(other[0]) != 1 or len(other[1]) != 1 or len(other[2]) != 1:
        return None
    if not is_spatial(single(source.axes[next(iter(inner))])):
        return None
    matrix = context.constant(node.inputs[1 - side])
    if matrix is None:
        return None
    uses: np.ndarray = (matrix if next(iter(other[0])) == 1 else matrix.T) != 0
    return uses
