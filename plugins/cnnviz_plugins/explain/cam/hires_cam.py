"""HiResCAM: channels times their gradients, place by place (Draelos, Carin 2020)."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map
from cnnviz_plugins.explain.cam.plugin import HiresCamConfig


@dataclass(frozen=True, kw_only=True)
class HiresCam(LayerMaps):
    """ReLU of the sum over channels of gradient * activation, nothing averaged over places.

    Where the network above the layer is linear, the map before the ReLU sums to the score less its bias.

    Cost: one forward and one backward pass per image.
    Source: Draelos, Carin 2020, section 3.2, equation 6.
    """

    config: HiresCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols"]:
        """Return the map before the ReLU."""
        return (activation * gradient).sum(-1)
