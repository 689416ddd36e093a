"""What an attribution graph returns: an attribution whose channels' maps are nodes of a tree."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Attribution, Tabular

Node = tuple[int, int]
"""Place of the layer, highest first, and channel; the target is (-1, 0)."""
TARGET: Node = (-1, 0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, repr=False)
class AttributionGraph(Tabular, Attribution):
    """Which channels a score came from, layer after layer; `values` (n, h, w, nodes) has the map of each node's way."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, highest first."""
        return tuple(dict(self.provenance.notes)["layers"])

    def nodes(self, image: int) -> dict[Node, float]:
        """Return the channels of one image's graph with their relevance: that of all ways on which one stands, summed.

        A channel that several channels above draw on is one node here.
        """
        found: dict[Node, float] = {}
        for node, relevance in zip(self._ids(image), np.asarray(self.extras["relevance"])[image], strict=True):
            found[node] = found.get(node, 0.0) + float(relevance)
        return found

    def edges(self, image: int) -> dict[tuple[Node, Node], float]:
        """Return how much relevance each channel above has from each below, and the target from the highest ones."""
        ids, found = self._ids(image), dict[tuple[Node, Node], float]()
        rows = zip(
            ids, np.asarray(self.extras["parent"])[image], np.asarray(self.extras["relevance"])[image], strict=True
        )
        for node, parent, relevance in rows:
            edge = (TARGET if parent < 0 else ids[parent], node)
            found[edge] = found.get(edge, 0.0) + float(relevance)
        return found

    def map_of(self, image: int, node: Node) -> Float[np.ndarray, "h w"]:
        """Return what reaches the image through a channel of its graph."""
        own = [place for place, each in enumerate(self._ids(image)) if each == node]
        values: np.ndarray = np.asarray(self.values)[image][..., own].sum(-1)
        return values

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per image and edge: the channel above, or the target, the one below, and the relevance."""
        layers, rows = self.layers, []
        for image in range(len(self.images)):
            for (above, below), relevance in self.edges(image).items():
                whose = self.names[image] if self.names else image
                row: dict[str, float | int | str] = {"image": whose}
                row |= {"above": "target" if above == TARGET else layers[above[0]], "above channel": above[1]}
                rows.append(row | {"below": layers[below[0]], "channel": below[1], "relevance": relevance})
        return rows

    def _ids(self, image: int) -> list[Node]:
        both: Any = zip(
            np.asarray(self.extras["layer"])[image], np.asarray(self.extras["channels"])[image], strict=True
        )
        return [(int(layer), int(channel)) for layer, channel in both]
