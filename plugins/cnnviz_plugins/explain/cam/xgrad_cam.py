"""XGrad-CAM: channels weighted by their gradient where they are active (Fu et al. 2020)."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map, quotient
from cnnviz_plugins.explain.cam.plugin import XGradCamConfig


@dataclass(frozen=True, kw_only=True)
class XGradCam(LayerMaps):
    """ReLU of the sum over channels k of w_k A_k, with w_k = sum over places of (A_k / sum of A_k) * gradient.

    A channel that sums to 0 has weight 0. Before the ReLU the map sums to the sum of activation * gradient.

    Cost: one forward and one backward pass per image.
    Source: Fu, Hu, Dong, Guo, Gao, Li 2020, section 3.3, equation 8.
    """

    config: XGradCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols"]:
        """Return the map before the ReLU."""
        return activation @ quotient((activation * gradient).sum((0, 1)), activation.sum((0, 1)))
