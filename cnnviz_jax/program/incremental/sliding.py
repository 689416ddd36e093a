"""Windows through operations that slide along the map: convolution, pooling, padding, cropping, striding.

Each reads the region that the units of its result see, with the padding that the operation itself has beyond the
border, and is then applied without padding along the axes of the map.
"""

from typing import Any

import numpy as np
from jax import lax

from cnnviz_jax.program.graph.graph import Node
from cnnviz_jax.program.graph.primitives import convolve
from cnnviz_jax.program.incremental.rulebook import Region, Whole, WindowContext, WindowRecipe, rule
from cnnviz_jax.program.incremental.spans import Span, Window, number_of


@rule("conv_general_dilated")
def _convolution(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    params, source = node.params, context.window(node.inputs[0])
    if source is None or context.depends(node.inputs[1]) or params["batch_group_count"] != 1:
        return None
    # Units a to a + n - 1 of a convolution of size k, stride s and padding p read units s a - p to s (a + n - 1) - p +
    # k - 1: n + 2 of them for a 3 x 3 convolution of stride 1. Applied to these without padding it gives the same
    # numbers. What lies beyond the border is padding, which the region brings along as zeros.
    spec, kernel = params["dimension_numbers"], context.shape(node.inputs[1])
    padding = [(int(low), int(high)) for low, high in params["padding"]]
    regions: list[Span] = []
    for k in range(len(source.axes)):
        if source.axes[k] == spec.lhs_spec[0] and result.axes[k] == spec.out_spec[0]:  # a series' row
            regions.append(result.spans[k])
            continue
        if source.axes[k] not in spec.lhs_spec[2:]:
            return None
        place = spec.lhs_spec.index(source.axes[k]) - 2
        if spec.out_spec[2 + place] != result.axes[k] or params["lhs_dilation"][place] != 1:
            return None
        size, dilation = kernel[spec.rhs_spec[2 + place]], params["rhs_dilation"][place]
        stride = params["window_strides"][place]
        regions.append(result.spans[k].taps(size, stride, padding[place][0], dilation))
        padding[place] = (0, 0)

    def compute(read: list[Any]) -> list[Any]:
        return [convolve(node, *read, padding=padding)]

    return WindowRecipe((Region(tuple(regions)), Whole()), compute)


_POOLS: dict[str, tuple[Any, float]] = {
    "reduce_window_max": (lax.max, -np.inf),
    "reduce_window_min": (lax.min, np.inf),
    "reduce_window_sum": (lax.add, 0),
}


@rule(*_POOLS)
def _pooling(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    params, source = node.params, context.window(node.inputs[0])
    if source is None or source.axes != result.axes:
        return None
    ones = (1,) * len(context.shape(node.inputs[0]))
    dilations, bases = params.get("window_dilation") or ones, params.get("base_dilation") or ones
    padding = [(int(low), int(high)) for low, high in params["padding"]]
    regions: list[Span] = []
    for k, axis in enumerate(source.axes):
        if bases[axis] != 1:
            return None
        size, stride = params["window_dimensions"][axis], params["window_strides"][axis]
        regions.append(result.spans[k].taps(size, stride, padding[axis][0], dilations[axis]))
        padding[axis] = (0, 0)
    function, neutral = _POOLS[node.name]

    def compute(read: list[Any]) -> list[Any]:
        start = np.asarray(number_of(neutral, read[0].dtype))
        windows = params["window_dimensions"], params["window_strides"], padding, bases, dilations
        return [lax.reduce_window(read[0], start, function, *windows)]

    return WindowRecipe((Region(tuple(regions), neutral),), compute)


@rule("pad")
def _pad(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    source = context.window(node.inputs[0])
    config = [(int(a), int(b), int(c)) for a, b, c in node.params["padding_config"]]
    if source is None or source.axes != result.axes or context.depends(node.inputs[1]):
        return None
    regions = []
    for k, axis in enumerate(source.axes):
        low, _, inner = config[axis]
        if inner:
            return None
        regions.append(result.spans[k].taps(1, 1, low))
        config[axis] = (0, 0, 0)
    return WindowRecipe(
        (Region(tuple(regions), padding_value=node.inputs[1]), Whole()),
        lambda read: [lax.pad(read[0], read[1], config)],
    )


@rule("slice")
def _slice(context: WindowContext, node: Node, result: Window) -> WindowRecipe | None:
    source, rank = context.window(node.inputs[0]), len(context.shape(node.inputs[0]))
    if source is None or source.axes != result.axes:
        return None
    starts, limits = list(node.params["start_indices"]), list(node.params["limit_indices"])
    strides = list(node.params["strides"] or (1,) * rank)
    regions = []
    for k, axis in enumerate(source.axes):
        region = result.spans[k].taps(1, strides[axis], -starts[axis])
        starts[axis], limits[axis] = 0, region.size
        regions.append(region)
    return WindowRecipe((Region(tuple(regions)),), lambda read: [lax.slice(read[0], starts, limits, strides)])
