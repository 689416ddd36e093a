"""Windows through operations of which each place of the map is computed from the same place.

Elementwise operations, products and reductions over channels, joins and splits of channels, and rearrangements that
leave rows and columns alone.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from jax import lax

from cnnviz_jax.program.analysis.arithmetic_rules import ELEMENTWISE
from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.windows.rulebook import Beside, Context, Reading, Recipe, Region, Whole, rule
from cnnviz_jax.program.windows.spans import Window


def _met(context: Context, node: Node, wanted: Window) -> tuple[Reading, ...] | None:
    """Read every operand at the wanted window; `None` where one has its map elsewhere or spreads along it."""
    readings: list[Reading] = []
    whole = context.shape(node.outputs[0])
    for number in node.inputs:
        if not context.depends(number):
            readings.append(Beside())
            continue
        source, shape = context.window(number), context.shape(number)
        if source is None or source.axes != wanted.axes or any(shape[axis] != whole[axis] for axis in wanted.axes):
            return None
        readings.append(Region(wanted.spans))
    return tuple(readings)


@rule(*sorted(ELEMENTWISE))
def _elementwise(context: Context, node: Node, wanted: Window) -> Recipe | None:
    readings = _met(context, node, wanted) if len(node.outputs) == 1 else None
    return None if readings is None else Recipe(readings, node.apply)


@rule("concatenate")
def _concatenate(context: Context, node: Node, wanted: Window) -> Recipe | None:
    readings = _met(context, node, wanted) if node.params["dimension"] not in wanted.axes else None
    return None if readings is None else Recipe(readings, node.apply)


@rule("split")
def _split(context: Context, node: Node, wanted: Window) -> Recipe | None:
    readings = _met(context, node, wanted) if node.params["axis"] not in wanted.axes else None
    return None if readings is None else Recipe(readings, node.apply)


@rule("transpose", "squeeze", "expand_dims")
def _moved(context: Context, node: Node, wanted: Window) -> Recipe | None:
    return None if context.window(node.inputs[0]) is None else Recipe((Region(wanted.spans),), node.apply)


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _prefix(context: Context, node: Node, wanted: Window) -> Recipe | None:
    return None if node.params["axis"] in wanted.axes else _moved(context, node, wanted)


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin")
def _reduction(context: Context, node: Node, wanted: Window) -> Recipe | None:
    source = context.window(node.inputs[0])
    if source is None or set(source.axes) & {int(axis) for axis in node.params["axes"]}:
        return None
    return Recipe((Region(wanted.spans),), node.apply)


@rule("reshape")
def _reshape(context: Context, node: Node, wanted: Window) -> Recipe | None:
    source, before = context.window(node.inputs[0]), context.shape(node.inputs[0])
    after = context.shape(node.outputs[0])
    if source is None or len(node.inputs) > 1 or not _kept(source.axes, before, wanted.axes, after):
        return None
    shape = wanted.shape(after)
    return Recipe((Region(wanted.spans),), lambda read: [read[0].reshape(shape)])


def _kept(old: Sequence[int], before: Sequence[int], new: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a reshape leaves rows and columns as they are: as long, with as many elements before and behind."""
    return (old[0] < old[1]) == (new[0] < new[1]) and all(
        before[i] == after[j] and prod(before[:i]) == prod(after[:j]) for i, j in zip(old, new, strict=True)
    )


@rule("broadcast_in_dim")
def _broadcast(context: Context, node: Node, wanted: Window) -> Recipe | None:
    source, targets = context.window(node.inputs[0]), node.params["broadcast_dimensions"]
    if source is None or len(node.inputs) > 1:
        return None
    before, after = context.shape(node.inputs[0]), context.shape(node.outputs[0])
    if any(targets[i] != j or before[i] != after[j] for i, j in zip(source.axes, wanted.axes, strict=True)):
        return None
    shape = wanted.shape(after)
    return Recipe((Region(wanted.spans),), lambda read: [lax.broadcast_in_dim(read[0], shape, targets)])


@rule("dot_general")
def _product(context: Context, node: Node, wanted: Window) -> Recipe | None:
    sides = [side for side in (0, 1) if context.depends(node.inputs[side])]
    if len(sides) != 1:
        return None
    contracted, batched = node.params["dimension_numbers"]
    source = context.window(node.inputs[sides[0]])
    if source is None or set(source.axes) & {*contracted[sides[0]], *batched[sides[0]]}:
        return None
    readings: list[Any] = [Whole(), Whole()]
    readings[sides[0]] = Region(wanted.spans)
    return Recipe(tuple(readings), node.apply)
