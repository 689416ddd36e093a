"""Input x gradient: a first-order share of each pixel in the score (Shrikumar et al. 2016)."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float

from cnnviz_jax import Model
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.gradient.configs import InputXGradientConfig
from cnnviz_plugins.explain.gradient.input_gradient import input_gradient
from cnnviz_plugins.explain.gradient.saliency import Saliency


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Saliency):
    """The image in [0, 1] times the signed gradient, (h, w, c).

    A black pixel gets 0 whatever it means to the score.

    Cost: one forward and one backward pass per image.
    Source: Shrikumar, Greenside, Shcherbina, Kundaje 2016, section 2.
    """

    @classmethod
    def build(cls, config: InputXGradientConfig, model: Model) -> "InputXGradient":  # type: ignore[override]
        """Return the fold for `model`."""
        return cls()

    def evaluate(
        self, model: Model, image: Float[Array, "h w c"], target: Target, context: Any, index: Any, key: Any
    ) -> Float[Array, "h w c"]:
        """Return image times gradient."""
        return image * input_gradient(model, image, target)
