"""Input x gradient: a first-order share of each pixel in the score (Shrikumar et al. 2016)."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Model
from cnnviz_plugins.explain.gradient.input_gradient import input_gradient
from cnnviz_plugins.explain.gradient.plugin import InputXGradientConfig
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

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return image times gradient."""
        return case.image * input_gradient(case.model, case.image, case.target)
