"""Grad-CAM: a layer's channels, weighted by their mean gradient (Selvaraju et al. 2017)."""

from dataclasses import dataclass, replace
from typing import Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, View
from cnnviz_plugins.explain.cam.layer_maps import LayerMaps, Map
from cnnviz_plugins.explain.cam.plugin import GradCamConfig


@dataclass(frozen=True, kw_only=True)
class GradCam(LayerMaps):
    """ReLU of the sum over channels of (spatial mean of d score / d channel) * channel; nothing is normalised.

    Cost: one forward and one backward pass per image.
    Source: Selvaraju et al. 2017, section 3, equations 1 and 2. `tf-explain`: its `core/grad_cam.py`, which
    averages positive gradients of active units only.
    """

    config: GradCamConfig

    @classmethod
    def build(cls, config: GradCamConfig, model: Model) -> Self:
        """Return the fold for `model`, its layers resolved."""
        view: View = "heatmap" if config.channels == "sum" else "maps"
        return replace(super().build(config, model), view=view)

    def weigh(self, activation: Map, gradient: Map) -> Float[Array, "rows cols *c"]:
        """Return the map before the ReLU."""
        if self.config.convention == "tf-explain":
            gradient = jnp.where((activation > 0) & (gradient > 0), gradient, 0)
        weighted = activation * gradient.mean((0, 1))
        return weighted.sum(-1) if self.config.channels == "sum" else weighted
