"""Saliency: how much the score rises per unit of intensity of each pixel (Simonyan et al. 2013)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.engine import Fold
from cnnviz_jax.results.attribution import View
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.gradient.configs import SaliencyConfig
from cnnviz_plugins.explain.gradient.input_gradient import input_gradient


@dataclass(frozen=True, kw_only=True)
class Saliency(Fold):
    """The signed gradient of the score, (h, w, c); by Captum's convention its size.

    Cost: one forward and one backward pass per image.
    Source: Simonyan, Vedaldi, Zisserman 2013, section 3.
    """

    view: View = "pixels"
    method: str = "saliency"
    is_absolute: bool = False

    @classmethod
    def build(cls, config: SaliencyConfig, model: Model) -> "Saliency":
        """Return the fold for `model`."""
        return cls(is_absolute=config.convention == "captum")

    def evaluate(
        self, model: Model, image: Float[Array, "h w c"], target: Target, context: Any, index: Any, key: Any
    ) -> Float[Array, "h w c"]:
        """Return the gradient."""
        return input_gradient(model, image, target, self.method)

    def finish(self, model: Model, image: Any, target: Target, context: Any, gathered: Any) -> Heatmap:
        """Return it."""
        return Heatmap(values=jnp.abs(gathered[0]) if self.is_absolute else gathered[0])
