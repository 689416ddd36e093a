"""Saliency: how much the score rises per unit of intensity of each pixel (Simonyan et al. 2013)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, View
from cnnviz_plugins.explain.gradient.input_gradient import input_gradient
from cnnviz_plugins.explain.gradient.plugin import SaliencyConfig


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

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return the gradient."""
        return input_gradient(case.model, case.image, case.target, self.method)

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return it."""
        return Heatmap(values=jnp.abs(gathered[0]) if self.is_absolute else gathered[0])
