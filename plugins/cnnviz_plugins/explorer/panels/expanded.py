"""The weights between a unit and the units with pages below and above it, through norms, pools and layers between.

Where one kernel alone stands between, `connections` has it as it is.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Kernels, LayerCase, LayerKindError, ModelError, Part, Text, UsageError, expanded_weights

_SHOWN = 6
_MOST_NUMBERS = 16_000_000
"""Of all weights of one pair of layers: 64 MB."""
_MOST_OPERATIONS = 2e11
"""Of the backward passes of one pair: some seconds."""
_MOST_UNITS = 4000
"""Of a site with this panel: in a larger one every pair of layers would be traced and compiled for it, for minutes."""
_LEAST_PLACES = 64
"""Of the map on which a pair's backward passes run."""
_JOINING = frozenset({"norm", "max_pool", "min_pool", "avg_pool", "sum_pool"})
_SIDE = 16
"""Larger patterns are shown by the means of blocks."""
_NOTE = (
    "As one kernel: activations count as identity, max pools as means, norms as their scale, and all that is added. So"
    " paths through units that rarely fire count in full. Numbers are the roots of sums of squares; red adds, blue"
    " takes away."
)


def build(case: LayerCase) -> Callable[[int], list[Part]] | None:
    """Return what shows the expanded weights around a unit; `None` where single kernels alone stand around it."""
    if sum(case.model.layers[name].channels for name in case.shown) > _MOST_UNITS:
        return None
    own = case.layer.name
    pairs = [(below, own) for below in _joined(case, own)]
    pairs += [(own, above) for above in case.shown if own in _joined(case, above)]
    found: list[tuple[str, str, Float[np.ndarray, "o h w i"] | str]] = [
        (below, above, _weights(case, below, above)) for below, above in pairs
    ]
    if not found:
        return None

    def of(unit: int) -> list[Part]:
        parts: list[Part] = []
        for below, above, weights in found:
            is_fed = above == own
            title = f"Fed by {below}" if is_fed else f"Feeds {above}"
            if isinstance(weights, str):
                parts.append(Text(text=f"{title}: {weights}"))
                continue
            slices = np.moveaxis(weights[unit], -1, 0) if is_fed else weights[..., unit]
            rows = _strongest(below if is_fed else above, slices)
            if rows:
                parts.append(Kernels(title=f"{title}, {slices.shape[1]} × {slices.shape[2]}", rows=rows))
        return [*parts, Text(text=_NOTE)] if any(isinstance(part, Kernels) for part in parts) else parts

    return of


def _strongest(layer: str, slices: Float[np.ndarray, "n h w"]) -> list[tuple[str, int, Any, Any]]:
    lengths = np.sqrt((slices**2).sum((1, 2)))
    order = np.argsort(-lengths, kind="stable")[:_SHOWN].tolist()
    return [(layer, at, lengths[at], _small(slices[at])) for at in order if lengths[at] > 0]


def _small(pattern: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "rows columns"]:
    """Return a pattern, by means of blocks where it is larger than can be drawn."""
    block = max(1, math.ceil(max(pattern.shape) / _SIDE))
    rows, columns = (-(-size // block) for size in pattern.shape)
    padded = np.zeros((rows * block, columns * block), pattern.dtype)
    padded[: pattern.shape[0], : pattern.shape[1]] = pattern
    small: np.ndarray = padded.reshape(rows, block, columns, block).mean((1, 3))
    return small


def _joined(case: LayerCase, name: str) -> list[str]:
    """Return the layers with pages that a layer is computed from through more than one kernel alone, nearest ones."""
    links, layers = case.model.program.links, case.model.program.layers
    if name not in layers:
        return []  # features of a dictionary, which no kernel of the network makes
    waiting, seen, between, found = [name], {name}, [name], []
    while waiting:
        for source in links.get(waiting.pop(), ()):
            if source in seen:
                continue
            seen.add(source)
            if source in case.shown:
                found.append(source)
            elif source in layers:
                between.append(source)
                waiting.append(source)
    kernels = sum(layers[each].kernel is not None for each in between)
    is_plain = kernels <= 1 and not any(layers[each].kind in _JOINING for each in between)
    return [] if is_plain or kernels == 0 else sorted(found, key=case.shown.index)


def _weights(case: LayerCase, below: str, above: str) -> "Float[np.ndarray, 'o h w i'] | str":
    """Return the weights of a pair of layers, or why there are none to show."""
    layers = case.model.layers
    lower, upper = layers[below], layers[above]
    reach = _reach(case, below, above)
    numbers = upper.channels * lower.channels * reach
    operations = 2.0 * numbers * upper.channels * max(_LEAST_PLACES, 4 * reach)
    if numbers > _MOST_NUMBERS or operations > _MOST_OPERATIONS:
        return f"{numbers:,} weights are not written into a page; `cv.expanded_weights` gives those of single units."
    try:
        return expanded_weights(case.model, above, below)
    except (LayerKindError, ModelError, UsageError) as error:
        return f"not expanded: {error}"


def _reach(case: LayerCase, below: str, above: str) -> int:
    """Return about how many places of the lower layer one unit of the upper one reads."""
    lower, upper = (case.model.layers[name] for name in (below, above))
    if not (lower.is_map and upper.is_map) or lower.receptive_field is None or upper.receptive_field is None:
        return math.prod(lower.shape[:2]) if lower.is_map else 1
    fields = (lower.receptive_field, upper.receptive_field)
    sizes = [field.nominal_size or case.model.input_shape[:2] for field in fields]
    strides = lower.receptive_field.nominal_stride or (1, 1)
    return math.prod(
        max(1, math.ceil((high - low) / step) + 1) for low, high, step in zip(*sizes, strides, strict=True)
    )
