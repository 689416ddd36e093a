"""Which layers a layer is computed from: the network's branches, residual sums and joins, by name."""

from collections.abc import Mapping

from cnnviz_jax.program.analysis.interpreter import Analysis
from cnnviz_jax.program.graph.graph import Graph
from cnnviz_jax.program.layers.nodes import LayerNode

IMAGE = "input"
"""Stands for the image itself."""

CHANNELWISE = frozenset({"norm", "max_pool", "min_pool", "avg_pool", "sum_pool", "global_pool", "add"})
"""Kinds, beside activations, of which channel c of the value depends on channel c of each input alone."""


def layer_links(graph: Graph, analysis: Analysis, layers: Mapping[str, LayerNode]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each layer, the layers that it is computed from with no layer in between, in execution order.

    `input` stands for the image. Of two names of one value the later is computed from the earlier alone.

    Args:
        graph: The program.
        analysis: Says which values depend on the image.
        layers: By name, in execution order.
    """
    names: dict[int, str] = {}
    for layer in layers.values():
        names.setdefault(layer.value, layer.name)
    order = {name: place for place, name in enumerate((IMAGE, *layers))}
    found: dict[str, tuple[str, ...]] = {}
    for layer in layers.values():
        if names[layer.value] != layer.name:
            found[layer.name] = (names[layer.value],)
            continue
        linked: set[str] = set()
        seen = {layer.value}
        waiting = [layer.value]
        while waiting:
            producer = graph.values[waiting.pop()].producer
            for number in () if producer is None else producer.inputs:
                if number in seen:
                    continue
                seen.add(number)
                if number == graph.image_id:
                    linked.add(IMAGE)
                elif number in names:
                    linked.add(names[number])
                elif analysis.depends(number):
                    waiting.append(number)
        found[layer.name] = tuple(sorted(linked, key=order.__getitem__))
    return found
