"""Which layer is looked at where none is named: the last map that the results rest on and that is not the result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnnviz_jax.program.analysis.interpreter import Analysis
from cnnviz_jax.program.graph.graph import Graph
from cnnviz_jax.program.graph.primitives import ELEMENTWISE, GLUE
from cnnviz_jax.program.layers.activations import ACTIVATION_KINDS
from cnnviz_jax.program.layers.nodes import LayerNode
from cnnviz_jax.program.layers.operations import Operation
from cnnviz_jax.program.layers.tokens import last_mixing


@dataclass(frozen=True, slots=True)
class DefaultLayer:
    """The layer that stands for a network's last map."""

    name: str
    why: str
    """Why it and no later one, in words."""


def default_layer(
    graph: Graph,
    analysis: Analysis,
    layers: Mapping[str, LayerNode],
    operations: Sequence[Operation],
    results: Sequence[int],
) -> DefaultLayer | None:
    """Return the last map of more than one position that the results rest on; `None` where there is no such map.

    Maps that no result rests on are passed over (an auxiliary head), and so is the result itself (what a U-Net
    returns), with whatever stands one number for one number before it: their gradients say nothing, or only what was
    asked. Of tokens beside which others stand (a class token), it is the last sum or norm before tokens are mixed for
    the last time: behind that, the scores may be read off the class token alone. Where nothing mixes them (a pooled
    map put in front of the map itself), it is the last map without others.
    """
    maps = [s for s in layers.values() if s.is_map and s.canonical_shape[0] * s.canonical_shape[1] > 1]
    if not maps:
        return None
    reached, own = feeding(graph, results), _one_for_one(graph, analysis, operations, results)
    alive = [s for s in maps if s.value in reached]
    # Attention's weights over a grid of patches are a map too, but no features.
    inner = [s for s in alive if s.value not in own and s.kind != "softmax"]
    fit = inner or alive
    if not fit:
        return DefaultLayer(maps[-1].name, "the last map; the scores rest on none")
    why = "the last map that the scores rest on" if inner else "the last map; the scores rest on no other"
    tokens = _among_others(fit[-1])
    if tokens:
        mixing = last_mixing(graph, analysis.depends, tokens, reached)
        if mixing is None:
            before = [s for s in fit if not _among_others(s)]
            why_before = "the last map before other tokens stand beside it"
        else:
            orders = {s.name: getattr(graph.values[s.value].producer, "order", -1) for s in fit}
            before = [s for s in fit if orders[s.name] < mixing and s.kind in ("norm", "add")]
            why_before = "the last sum or norm of tokens before they are mixed for the last time"
        if before:
            fit, why = before, why_before
    later = [] if tokens else maps[maps.index(fit[-1]) + 1 :]
    dead = [s.name for s in later if s.value not in reached]
    output = [s.name for s in later if s.value in own] if inner else []
    for names, what in ((dead, "does not reach the scores"), (output, "is the output itself")):
        if names:
            why += f"; {names[-1]!r} {what}"
    return DefaultLayer(fit[-1].name, why)


def _among_others(layer: LayerNode) -> int:
    """Return how many tokens a layer has whose grid others stand beside; 0 where its map is all there is."""
    if layer.grid is None:
        return 0
    tokens = layer.shape[layer.grid.tokens]
    return tokens if tokens > layer.grid.count else 0


def feeding(graph: Graph, numbers: Iterable[int]) -> frozenset[int]:
    """Return the values that some values are computed from, themselves included."""
    needed = set(numbers)
    for leaf in reversed(graph.leaves):
        if needed.intersection(leaf.outputs):
            needed.update(leaf.inputs)
    return frozenset(needed)


def _one_for_one(
    graph: Graph, analysis: Analysis, operations: Sequence[Operation], results: Sequence[int]
) -> frozenset[int]:
    """The results, and the values before them from which each number follows alone, or by a softmax."""
    kinds = ACTIVATION_KINDS | {"softmax", "log_softmax", "norm", "scale"}
    before = {operation.value: operation.inputs[0] for operation in operations if operation.kind in kinds}
    found = set(results)
    open_values = list(results)
    while open_values:
        number = open_values.pop()
        node = graph.values[number].producer
        following = before.get(number)
        if following is None and node is not None and (node.name in ELEMENTWISE or node.name in GLUE):
            sources = [source for source in node.inputs if analysis.depends(source)]
            following = sources[0] if len(set(sources)) == 1 else None
        if following is not None and following not in found:
            found.add(following)
            open_values.append(following)
    return frozenset(found)
