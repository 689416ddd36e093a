"""Where a unit is read: before the ReLU next to its layer, or after it, as the traced program has them."""

import dataclasses

from cnnviz_jax.plugin import Channel, Feature, InnerChannel, Model, Target, mapped
from cnnviz_plugins.synthesize.recipes import Tap

_CLOSING = ("relu", "relu6")


def before(model: Model, layer: str) -> str | None:
    """Return what feeds the ReLU `layer`, or `layer` if it is no ReLU; `None` if what feeds it has no name."""
    value = model.program.layer_node(layer).value
    source = next((op.inputs[0] for op in model.program.operations if op.value == value and op.kind in _CLOSING), None)
    if source is None:
        return layer
    return next((name for name, node in model.program.layers.items() if node.value == source), None)


def after(model: Model, layer: str) -> str:
    """Return the ReLU that `layer` feeds directly, or `layer` itself."""
    value = model.program.layer_node(layer).value
    fed = [op.value for op in model.program.operations if op.kind in _CLOSING and op.inputs[0] == value]
    return next((name for name, node in model.program.layers.items() if node.value in fed), layer)


def tapped(model: Model, target: Target, tap: Tap, border: int) -> tuple[Target, tuple[str, ...], bool]:
    """Return the target read where `tap` says, the layers read, and whether a ReLU with no way around it is left.

    Args:
        model: The model.
        target: Batched.
        tap: `before` the ReLU, `after` it, or at the `layer` as named.
        border: Positions of a channel's map left out at every side.
    """
    closed = False

    def moved(plain: Target) -> Target:
        nonlocal closed
        layer = getattr(plain, "layer", None)
        # A feature is a sum over its own layer's values: read elsewhere it is another one.
        if layer is None or layer not in model.program.layers or isinstance(plain, Feature):
            return plain
        if tap == "before":
            found = before(model, layer)
            closed = closed or found is None
            layer = found or layer
        elif tap == "after":
            layer = after(model, layer)
        if border and type(plain) is Channel and model.layers[layer].is_map:
            return InnerChannel(layer=layer, channel=plain.channel, border=border)
        return dataclasses.replace(plain, layer=layer)  # type: ignore[type-var]

    read = mapped(target, moved)
    return read, read.layers, closed
