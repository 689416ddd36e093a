"""Eigen-CAM and EigenGrad-CAM: channels along their first principal direction (Muhammad, Yeasin 2020)."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps
from cnnviz_plugins.explain.cam.plugin import EigenCamConfig, EigenGradCamConfig
from cnnviz_plugins.explain.cam.principal_map import principal_map
from cnnviz_plugins.explain.layer_values import Map, values_of


@dataclass(frozen=True, kw_only=True)
class EigenCam(LayerMaps):
    """ReLU of the activations, one row per place, times their first right singular vector, whatever the class.

    Cost: one forward pass up to the layer, and the eigenvectors of a channels x channels (or places x places) matrix.
    Source: Muhammad, Yeasin 2020, section III; centred: pytorch_grad_cam/utils/svd_on_activations.py.
    """

    config: EigenCamConfig

    def evaluate(self, case: Case) -> tuple[Float[Array, "_ _"], ...]:
        """Return the projection of every layer."""
        values = values_of(case.model, case.image, *self.layers)
        return tuple(self.joined(values[name]) for name in self.layers)

    def joined(self, weighted: Map) -> Float[Array, "rows cols"]:
        """Return the activations along their first principal direction."""
        return principal_map(weighted, centred=self.config.convention == "pytorch-grad-cam")


@dataclass(frozen=True, kw_only=True)
class EigenGradCam(LayerMaps):
    """ReLU of activation * gradient, one row per place and each channel's mean taken off, along its first direction.

    Cost: one forward and one backward pass per image, and the eigenvectors of one matrix as for Eigen-CAM.
    Source: pytorch_grad_cam/eigen_grad_cam.py, which is where it was published; the sign is ours.
    """

    config: EigenGradCamConfig

    def weigh(self, activation: Map, gradient: Map) -> Map:
        """Return activation times gradient."""
        return activation * gradient

    def joined(self, weighted: Map) -> Float[Array, "rows cols"]:
        """Return the products along their first principal direction."""
        return principal_map(weighted, centred=True)
