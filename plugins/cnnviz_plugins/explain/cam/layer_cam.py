"""Layer-CAM: channels times their positive gradients, place by place, at any depth (Jiang et al. 2021)."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map
from cnnviz_plugins.explain.cam.plugin import LayerCamConfig


@dataclass(frozen=True, kw_only=True)
class LayerCam(LayerMaps):
    """ReLU of the sum over channels of ReLU(gradient) * activation.

    Several layers are scaled by tanh(2 map / its maximum) and fused by their maximum, as the paper does.

    Cost: one forward and one backward pass per image, whatever the number of layers.
    Source: Jiang, Zhang, Hou, Cheng, Wei 2021, equations 6 to 9.
    """

    config: LayerCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols"]:
        """Return the map before the ReLU."""
        return (jax.nn.relu(gradient) * activation).sum(-1)
