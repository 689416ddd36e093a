"""Windows through operations of which each place of the map is computed from the same place.

Elementwise operations, products and reductions over channels, joins and splits of channels, and rearrangements that
leave the axes of the map alone.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from jax import lax

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import ELEMENTWISE
from cnnviz_jax.program.incremental.rulebook import Beside, Reading, Region, Whole, WindowContext, WindowRecipe, rule
from cnnviz_jax.program.incremental.spans import Window


def _met(context: WindowContext, node: Node, result: Window) -> tuple[Reading, ...] | None:
    """Read every operand at the window of the result; `None` where one has its map elsewhere or spreads along it."""
    readings: list[Reading] = []
    whole = context.shape(node.outputs[0])
    for number in node.inputs:
        if not context.depends(number):
            readings.append(Beside())
            continue
        source, shape = context.window(number), context.shape(number)
        if source is None or source.axes != result.axes or any(shape[axis] != whole[axis] for axis in result.axes):
            return None
        readings.append(Region(result.spans))
    return tuple(readings)


@rule(*sorted(ELEMENTWISE), "concatenate", "split")
def _met_by_place(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    along = {"concatenate": "dimension", "split": "axis"}.get(node.name)
    separate = len(node.outputs) == 1 if along is None else node.params[along] not in result.axes
    readings = _met(context, node, result) if separate else None
    return None if readings is None else WindowRecipe(readings, node.apply)


@rule("transpose", "squeeze", "expand_dims")
def _moved(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    return None if context.window(node.inputs[0]) is None else WindowRecipe((Region(result.spans),), node.apply)


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _prefix(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    return None if node.params["axis"] in result.axes else _moved(context, node, result)


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin")
def _reduction(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    source = context.window(node.inputs[0])
    if source is None or set(source.axes) & {int(axis) for axis in node.params["axes"]}:
        return None
    return WindowRecipe((Region(result.spans),), node.apply)


@rule("reshape")
def _reshape(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    source, before = context.window(node.inputs[0]), context.shape(node.inputs[0])
    after = context.shape(node.outputs[0])
    if source is None or len(node.inputs) > 1 or not _kept(source.axes, before, result.axes, after):
        return None
    shape = result.shape(after)
    return WindowRecipe((Region(result.spans),), lambda read: [read[0].reshape(shape)])


def _kept(old: Sequence[int], before: Sequence[int], new: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a reshape leaves the axes of the map as they are: as long, with as many elements before and behind."""
    # (1, 8, 8, 4) -> (1, 8, 8, 2, 2) splits channels: the elements in front of rows and columns, 1 and 8, are as many
    # as before, so a window of rows and columns is reshaped like the whole. (8, 1, 8) -> (1, 8, 8) only moves an axis
    # of length 1.
    order = [sorted(range(len(axes)), key=axes.__getitem__) for axes in (old, new)]
    return order[0] == order[1] and all(
        before[i] == after[j] and prod(before[:i]) == prod(after[:j]) for i, j in zip(old, new, strict=True)
    )


@rule("broadcast_in_dim")
def _broadcast(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    source, targets = context.window(node.inputs[0]), node.params["broadcast_dimensions"]
    if source is None or len(node.inputs) > 1:
        return None
    before, after = context.shape(node.inputs[0]), context.shape(node.outputs[0])
    if any(targets[i] != j or before[i] != after[j] for i, j in zip(source.axes, result.axes, strict=True)):
        return None
    shape = result.shape(after)
    return WindowRecipe((Region(result.spans),), lambda read: [lax.broadcast_in_dim(read[0], shape, targets)])


@rule("dot_general")
def _product(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    sides = [side for side in (0, 1) if context.depends(node.inputs[side])]
    if len(sides) != 1:
        return None
    contracted, batched = node.params["dimension_numbers"]
    source = context.window(node.inputs[sides[0]])
    if source is None or set(source.axes) & {*contracted[sides[0]], *batched[sides[0]]}:
        return None
    readings: list[Any] = [Whole(), Whole()]
    readings[sides[0]] = Region(result.spans)
    return WindowRecipe(tuple(readings), node.apply)
