"""Grad-CAM: a layer's channels, weighted by their mean gradient (Selvaraju et al. 2017)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.engine import Fold
from cnnviz_jax.results import View
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.cam.plugin import GradCamConfig


@dataclass(frozen=True, kw_only=True)
class GradCam(Fold):
    """ReLU of the sum over channels of (spatial mean of d score / d channel) * channel.

    `low_res` is the raw map at the layer's size, `values` the same enlarged bilinearly to the picture;
    neither is normalised.

    Raises (when built):
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no map.

    Cost: one forward and one backward pass per picture.
    Source: Selvaraju et al. 2017, section 3, equations 1 and 2.
    """

    config: GradCamConfig
    layer: str  # type: ignore[assignment]  # always resolved

    @classmethod
    def build(cls, config: GradCamConfig, model: Model) -> "GradCam":
        """Return the fold for `model`, its layer resolved."""
        view: View = "heatmap" if config.channels == "sum" else "maps"
        return cls(config=config, layer=model.map_layer(config.layer).name, view=view)

    def evaluate(
        self, model: Model, image: Float[Array, "h w c"], target: Target, context: Any, index: Any, key: Any
    ) -> Float[Array, "rows cols *c"]:
        """Return the map before the ReLU."""
        activation, gradient = activation_and_gradient(model, image, target, self.layer)
        weighted = activation * gradient.mean((0, 1))
        return weighted.sum(-1) if self.config.channels == "sum" else weighted

    def finish(
        self, model: Model, image: Float[Array, "h w c"], target: Target, context: Any, gathered: Any
    ) -> Heatmap:
        """Return the map at both sizes."""
        raw = gathered[0]
        kept = jax.nn.relu(raw) if self.config.relu else raw
        values = jax.image.resize(kept, (*image.shape[:2], *kept.shape[2:]), "linear")
        return Heatmap(values=values, low_res=kept, extras={"before_relu": raw})


def activation_and_gradient(
    model: Model, image: Float[Array, "h w c"], target: Target, layer: str
) -> tuple[Float[Array, "rows cols channels"], Float[Array, "rows cols channels"]]:
    """Return a layer's value and d score / d value.

    Cost: one forward and one backward pass.
    """
    shape = jax.eval_shape(lambda: model.run(image, read=(layer,), need_outputs=False)[1][layer])

    def score(delta: Float[Array, "rows cols channels"]) -> tuple[Any, Any]:
        value, taps = model.score(image, target, read=(layer,), add={layer: delta})
        return value, taps[layer]

    gradient, activation = jax.grad(score, has_aux=True)(jnp.zeros(shape.shape, shape.dtype))
    return activation, gradient
