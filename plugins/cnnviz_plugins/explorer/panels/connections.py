"""The strongest kernels that feed a unit, and those by which it feeds others.

Adjacent layers only: the slice of a kernel from one channel to one unit, by its length (the root of its sum of
squares). Norms, activations and pools in between keep channels apart; what they scale is not in the length.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Kernels, LayerCase, Part, Text, Units

_SHOWN = 8
_NOTE = (
    "Numbers are lengths of kernels: the root of the sum of squares of what joins two units. Red adds, blue takes away."
)


def build(case: LayerCase) -> Callable[[int], list[Part]] | None:
    """Return what shows the kernels around a unit; `None` where no kernel touches the layer."""
    kernels, added = case.sources_of(case.layer.name)
    into = [(name, case.slices_of(name)) for name in kernels]
    out_of = [
        (name, behind, case.slices_of(name))
        for name in _read_by(case)
        if (behind := _shown_behind(case, name)) is not None
    ]
    if not into and not out_of and not added:
        return None

    def of(unit: int) -> list[Part]:
        parts: list[Part] = []
        for name, slices in into:
            rows = _feeding(case, name, slices, unit)
            parts.append(Kernels(title=f"Fed by, through {name}", rows=rows))
        if added:
            parts.append(Units(title="Channel by channel from", rows=[(name, unit, 1.0) for name in added]))
        for name, behind, slices in out_of:
            rows = _fed(behind, slices, unit)
            if rows:
                parts.append(Kernels(title=f"Feeds, through {name}", rows=rows))
        return [*parts, Text(text=_NOTE)] if parts else []

    return of


def _groups(case: LayerCase, name: str) -> int:
    node = case.model.program.layer_node(name)
    return 1 if node.kernel is None else node.kernel.groups


def _feeding(
    case: LayerCase, name: str, slices: Float[np.ndarray, "h w i o"], unit: int
) -> list[tuple[str, int, Any, Any]]:
    source, inside = case.input_of(name), slices.shape[2]
    # The channels of a grouped convolution's kernel are those of the unit's own group.
    first = unit // (slices.shape[3] // _groups(case, name)) * inside
    lengths = np.sqrt((slices[..., unit] ** 2).sum((0, 1)))
    units = 0 if source is None else case.model.layers[source].channels
    is_named = units == inside * _groups(case, name)
    order = np.argsort(-lengths, kind="stable")[:_SHOWN]
    return [
        (source or "" if is_named else "", first + int(channel), lengths[channel], slices[:, :, channel, unit])
        for channel in order
        if lengths[channel] > 0
    ]


def _read_by(case: LayerCase) -> list[str]:
    """Return the layers whose kernels read this layer's channels."""
    layers = case.model.program.layers
    read = [name for name, node in layers.items() if node.kernel and case.input_of(name) == case.layer.name]
    return [name for name in read if case.slices_of(name).shape[2] * _groups(case, name) == case.layer.channels]


def _shown_behind(case: LayerCase, name: str) -> tuple[str, int] | None:
    """Return the layer with pages whose units a kernel makes, and the kernel's groups."""
    found = [shown for shown in case.shown if name in case.sources_of(shown)[0]]
    return (found[0], _groups(case, name)) if found else None


def _fed(behind: tuple[str, int], slices: Float[np.ndarray, "h w i o"], unit: int) -> list[tuple[str, int, Any, Any]]:
    layer, groups = behind
    group, channel = divmod(unit, slices.shape[2])
    each = slices.shape[3] // groups
    own = slices[:, :, channel, group * each : (group + 1) * each]
    lengths = np.sqrt((own**2).sum((0, 1)))
    order = np.argsort(-lengths, kind="stable")[:_SHOWN]
    return [(layer, group * each + int(k), lengths[k], own[:, :, k]) for k in order if lengths[k] > 0]
