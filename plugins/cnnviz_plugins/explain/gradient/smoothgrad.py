"""SmoothGrad: the gradient averaged over noisy copies of the picture (Smilkov et al. 2017)."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.engine import Fold
from cnnviz_jax.results import View
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.gradient.input_gradient import input_gradient, passed_through, rewritten
from cnnviz_plugins.explain.gradient.plugin import SmoothgradConfig


@dataclass(frozen=True, kw_only=True)
class Smoothgrad(Fold):
    """The mean of signed gradients over noisy copies, (h, w, c).

    Randomness: copy i of a picture is picture + sigma * normal(fold_in(picture's key, i)), so the result
    depends on the seed and the picture, not on chunk, batch or device.
    Cost: `samples` forward and backward passes per picture; memory for one chunk of copies.
    Source: Smilkov, Thorat, Kim, Viégas, Wattenberg 2017, section 3.
    """

    gather: Literal["sum", "stack"] = "sum"
    view: View = "pixels"
    config: SmoothgradConfig

    @classmethod
    def build(cls, config: SmoothgradConfig, model: Model) -> "Smoothgrad":
        """Return the fold for `model`."""
        method = config.method
        return cls(config=config, notes=rewritten(model, method), warnings=passed_through(model, method))

    @property
    def evaluations(self) -> int:
        """One per noisy copy."""
        return self.config.samples

    def prepare(self, model: Model, image: Float[Array, "h w c"], target: Target, key: Any) -> Float[Array, ""]:
        """Return the noise's standard deviation."""
        unit, number = self.config.sigma
        return jnp.float32(number) * ((image.max() - image.min()) if unit == "relative" else 1.0)

    def evaluate(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        target: Target,
        context: Float[Array, ""],
        index: Int[Array, ""],
        key: Key[Array, ""],
    ) -> Float[Array, "h w c"]:
        """Return the gradient at one noisy copy."""
        noisy = image + context * jax.random.normal(key, image.shape, image.dtype)
        return input_gradient(model, noisy, target, self.config.method)

    def finish(self, model: Model, image: Any, target: Target, context: Any, gathered: Any) -> Heatmap:
        """Return the mean."""
        return Heatmap(values=gathered / self.config.samples)
