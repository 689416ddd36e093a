"""A network as a site shows it: its layers with what each is computed from, and which of them have pages of units."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import LayerNotFoundError, UsageError
from cnnviz_jax.model.codes import CodeLayer
from cnnviz_jax.model.layers import INPUT, Layer
from cnnviz_jax.model.model import Model
from cnnviz_jax.program.incremental.flops import flops_of
from cnnviz_jax.program.layers.activations import ACTIVATION_KINDS
from cnnviz_jax.program.layers.links import CHANNELWISE

Layers = str | Sequence[str] | None
"""Layers as users name them: one name, `all`, a pattern, a list of these, or `None` for the usual ones."""


def chosen_layers(model: Model, asked: Layers) -> tuple[str, ...]:
    """Return the layers whose units get pages, in execution order.

    The usual ones are those where units answer: each convolution and dense layer behind its norm, its residual sum and
    its activation, as far as these follow without a branch; and the features of dictionaries.

    Raises:
        LayerNotFoundError: No layer has that name, or fits that pattern.
        UsageError: There is none to show.
    """
    if asked is None:
        found = {_behind(model, name) for name, layer in model.program.layers.items() if layer.kernel is not None}
        found = (found or set(model.layers)) | {codes.name for codes in model.codes}
    else:
        found = set()
        for word in [asked] if isinstance(asked, str) else asked:
            found |= set(model.layers.matching(word) or (model.layers.resolve(word),))
    if INPUT in found and INPUT not in model.layers:
        raise LayerNotFoundError("the input has no units; name layers of the network")
    chosen = tuple(name for name in model.layers if name in found and model.layers[name].shape)
    if not chosen:
        raise UsageError(f"{model.name} has no layers that could be told apart")
    return chosen


def _behind(model: Model, name: str) -> str:
    readers = _readers(model)
    while len(readers.get(name, ())) == 1:
        (following,) = readers[name]
        kind = model.layers[following].kind
        if kind in ACTIVATION_KINDS:
            return following
        if kind not in ("norm", "add") or model.layers[following].channels != model.layers[name].channels:
            return name
        name = following
    return name


def _readers(model: Model) -> dict[str, list[str]]:
    layers = model.program.layers
    found: dict[str, list[str]] = {}
    for name, sources in model.program.links.items():
        for source in sources:
            if source not in layers or layers[source].value != layers[name].value:  # a second name reads nothing
                found.setdefault(source, []).append(name)
    return found


def sources_of(model: Model, name: str, shown: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the layers with a kernel whose channels are this layer's, and the shown layers that are added as they are.

    A layer with a kernel is its own. Otherwise those in front of it, as far as norms, activations, pools and sums keep
    channels apart; another shown layer on the way, such as the other branch of a residual sum, ends it.
    """
    kernels, added, waiting, seen = [], [], [name], {name}
    while waiting:
        current = waiting.pop()
        node = model.program.layers.get(current)
        if node is None:
            continue
        if current != name and current in shown:
            added.append(current)
        elif node.kernel is not None:
            kernels.append(current)
        elif node.kind in CHANNELWISE or node.kind in ACTIVATION_KINDS:
            for source in model.program.links[current]:
                if source not in seen and source in model.layers:
                    seen.add(source)
                    waiting.append(source)
    order = list(model.layers).index
    return sorted(kernels, key=order), sorted(added, key=order)


def input_of(model: Model, kernel_layer: str, shown: Sequence[str]) -> str | None:
    """Return the layer whose channels a kernel reads, as a site shows it; `None` for the image or where none fits."""
    for source in _way_up(model, kernel_layer):
        if source in shown:
            return source
    return None


def slices_of(model: Model, kernel_layer: str) -> Float[np.ndarray, "h w i o"]:
    """Return a layer's kernel by channel: of a dense layer behind a flattened map, (h, w, channels, out) of that map.

    Any other dense kernel is (1, 1, in, out).
    """
    kernel = np.asarray(model.layers[kernel_layer].kernel)
    if kernel.ndim == 4:
        return kernel
    for source in _way_up(model, kernel_layer):
        node = model.program.layers[source]
        if node.kind != "flatten" or node.operation is None:
            continue
        # Flattening keeps the order of the value that it flattens, which need not be that of any layer with a name.
        before = node.operation.node.inputs[0]
        roles = model.program.analysis.values[before].roles
        sizes = dict(zip(roles, model.program.graph.values[before].shape, strict=True))
        axes = [role for role in roles if role != "B"]
        if set(axes) != {0, 1, "C"} or math.prod(sizes[axis] for axis in axes) != len(kernel):
            break
        native = kernel.reshape(*(sizes[axis] for axis in axes), -1)
        return native.transpose(axes.index(0), axes.index(1), axes.index("C"), 3)
    return kernel[None, None]


def _way_up(model: Model, kernel_layer: str) -> Iterator[str]:
    """Yield the layers in front of a kernel, as long as each channel comes from one: pools, norms, flattenings."""
    sources = model.program.links[kernel_layer]
    while len(sources) == 1 and sources[0] in model.layers:
        (source,) = sources
        yield source
        kind = model.layers[source].kind
        if kind not in CHANNELWISE and kind not in ACTIVATION_KINDS and kind != "flatten":
            return
        sources = model.program.links[source]


def layer_rows(model: Model) -> list[dict[str, Any]]:
    """Return one row per layer: name, kind, shape, field, parameters, operations, and what it is computed from."""
    values = model.program.graph.values
    rows: list[dict[str, Any]] = []
    for name, node in model.program.layers.items():
        nodes = () if node.operation is None else node.operation.nodes
        operations = sum(
            flops_of(each, lambda number: values[number].shape, values[each.outputs[0]].shape)
            for each in nodes
            if each.outputs
        )
        numbers = 0 if node.kernel is None else math.prod(node.kernel.shape)
        rows.append(_row(model.layers[name], numbers, int(operations), model.program.links[name]))
        rows += [_code_row(model, codes, each) for codes in model.codes if codes.layer == name for each in codes.names]
    return rows


def _code_row(model: Model, codes: CodeLayer, name: str) -> dict[str, Any]:
    layer = model.layers[name]
    numbers = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(codes.codec)) if name == codes.name else 0
    operations = 2 * math.prod(layer.shape) * model.layers[codes.layer].channels
    return _row(layer, numbers, operations, [codes.layer])


def _row(layer: Layer, parameters: int, operations: int, inputs: Sequence[str]) -> dict[str, Any]:
    field = layer.receptive_field
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": layer.shape,
        "units": layer.channels,
        "field": None if field is None else str(field),
        "parameters": parameters,
        "flops": operations,
        "inputs": inputs,
    }
