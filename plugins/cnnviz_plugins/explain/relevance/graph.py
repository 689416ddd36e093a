"""The attribution graph of a prediction: which channels the score came from, and which channels those came from."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from cnnviz_jax.plugin import Case, ClassScore, Fold, Heatmap, Model, UsageError, View
from cnnviz_plugins.explain.relevance.descent import Descent, checked_layer
from cnnviz_plugins.explain.relevance.lrp import settings_of
from cnnviz_plugins.explain.relevance.plan import RelevanceSettings
from cnnviz_plugins.explain.relevance.plugin import AttributionGraphConfig

_LAYERS = 3
_MOST = 512


@dataclass(frozen=True, kw_only=True)
class Graph(Fold):
    """A tree of channels: those of most relevance in the highest layer, and of each those below that it comes from.

    `values` is (h, w, nodes): the relevance that reaches the image along each node's own way. `extras`, per node:
    `channels`; `relevance`; `layer`, its place among the layers; `parent`, the node that it shares the relevance of, -1
    for the target. `arriving_0`, `arriving_1`, ...: what every node above sends to each channel of that layer,
    (nodes, c), of which the largest are followed.

    Cost: one forward pass up to each layer, and one backward pass for each node, from its layer down.
    Source: Achtibat et al. 2023, arXiv:2206.03208, section 4.1 and figure 4.
    """

    view: View = "maps"
    layers: tuple[str, ...]
    """Highest first."""
    widths: tuple[int, ...]
    """How many nodes each node above has in each layer."""
    settings: RelevanceSettings

    @classmethod
    def build(cls, config: AttributionGraphConfig, model: Model) -> "Graph":
        """Return the fold for `model`, its layers resolved.

        Raises:
            LayerNotFoundError: No such layer.
            UsageError: A layer does not lead to the one above it, or there would be too many nodes.
            RuleError: The rules do not fit the model.
        """
        asked = config.layers or _convolutions(model)
        names = tuple(dict.fromkeys(checked_layer(model, name, "a layer of the graph") for name in asked))
        settings = settings_of(config)
        descent = Descent.of(model, ClassScore(0), settings, names)
        layers = descent.highest_first(names)
        for above, below in itertools.pairwise(layers):
            if not descent.leads_to(below, above):
                raise UsageError(f"layer {below!r} does not lead to {above!r}: no relevance goes from one to the other")
        widths = tuple(min(config.count, model.layers[name].channels) for name in layers)
        nodes = sum(math.prod(widths[: place + 1]) for place in range(len(widths)))
        if nodes > _MOST:
            raise UsageError(
                f"{config.count} channels of each of {len(layers)} layers are {nodes:,} nodes; at most {_MOST} are "
                f"followed: take fewer layers, or a smaller count"
            )
        notes: tuple[tuple[str, Any], ...] = (("layers", layers), ("widths", widths), ("unit", "relevance"))
        return cls(
            layers=layers,
            widths=widths,
            settings=settings,
            notes=(*notes, ("rules", descent.plan.rules)),
            warnings=descent.plan.warnings("attribution-graph"),
        )

    def evaluate(self, case: Case) -> dict[str, Any]:
        """Return the nodes, layer after layer."""
        descent = Descent.of(case.model, case.target, self.settings, self.layers)
        from_score = descent.leg(case.image, None, self.layers[:1])
        here = from_score.down()[1][self.layers[0]][None]  # parents *shape c
        found: dict[str, Any] = {"root": from_score.root}
        channels, relevance, maps = [], [], []
        for place, (name, width) in enumerate(zip(self.layers, self.widths, strict=True)):
            arriving = here.reshape(len(here), -1, here.shape[-1]).sum(1)  # parents c
            chosen = jax.lax.top_k(jnp.abs(arriving), width)[1]  # parents width
            is_chosen = jax.nn.one_hot(chosen, here.shape[-1], dtype=bool)  # parents width c
            spread = is_chosen.reshape(*chosen.shape, *(1,) * (here.ndim - 2), here.shape[-1])
            passed = jnp.where(spread, here[:, None], 0).reshape(-1, *here.shape[1:])  # nodes *shape c
            leg = descent.leg(case.image, name, self.layers[place + 1 : place + 2])
            reached, below = jax.vmap(leg.down)(passed)
            channels.append(chosen.ravel())
            relevance.append(jnp.take_along_axis(arriving, chosen, 1).ravel())
            maps.append(reached.sum(-1))
            found[f"arriving_{place}"] = arriving
            if place + 1 < len(self.layers):
                here = below[self.layers[place + 1]]
        joined: dict[str, Array] = {
            "channels": jnp.concatenate(channels).astype(jnp.int32),
            "relevance": jnp.concatenate(relevance),
            "maps": jnp.concatenate(maps),
        }
        return found | joined

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the maps, and the tree."""
        found = jax.tree.map(lambda leaf: leaf[0], gathered)
        layer, parent = tree_of(self.widths)
        values = jnp.moveaxis(found.pop("maps"), 0, -1)
        return Heatmap(values=values, extras=found | {"layer": jnp.asarray(layer), "parent": jnp.asarray(parent)})


def tree_of(widths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the layer and the parent of every node of a tree in which each node has so many in the next layer."""
    layer, parent = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    begin, parents = -1, 1  # the target stands before all nodes
    for place, width in enumerate(widths):
        nodes = parents * width
        layer.append(np.full(nodes, place, np.int32))
        parent.append((begin + np.arange(nodes) // width).astype(np.int32))
        begin, parents = begin + parents, nodes
    return np.concatenate(layer), np.concatenate(parent)


def _convolutions(model: Model) -> tuple[str, ...]:
    """Return the last convolutions of a network."""
    found = [name for name, layer in model.layers.items() if layer.kind == "conv" and layer.is_map]
    if not found:
        raise UsageError(f"{model.name} has no convolution; name the layers of the graph")
    return tuple(found[-_LAYERS:])
