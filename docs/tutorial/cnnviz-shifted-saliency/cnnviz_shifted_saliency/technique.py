"""The technique: one evaluation is the gradient at one shift, shifted back."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model
from cnnviz_shifted_saliency.plugin import ShiftedSaliencyConfig


@dataclass(frozen=True, kw_only=True)
class ShiftedSaliency(Fold):
    """The mean over all shifts of the signed gradient, as its largest size over colours, (h, w).

    Strides make a network answer differently to an image and to the same image one pixel further; what
    stays in the mean does not depend on where the grid of strides happens to fall.
    """

    gather: Literal["sum", "stack"] = "sum"
    reach_px: int

    @classmethod
    def build(cls, config: ShiftedSaliencyConfig, model: Model) -> "ShiftedSaliency":
        """Return the fold for `model`."""
        return cls(reach_px=config.reach_px)

    @property
    def evaluations(self) -> int:
        """One per shift."""
        return (2 * self.reach_px + 1) ** 2

    def evaluate(self, case: Case) -> Float[Array, "h w c"]:
        """Return the gradient at shift number `index`, shifted back; what leaves one side enters at the other."""
        side = 2 * self.reach_px + 1
        shift = jnp.stack([case.index // side, case.index % side]) - self.reach_px
        shifted = jnp.roll(case.image, shift, (0, 1))
        gradient = jax.grad(lambda pixels: case.model.score(pixels, case.target)[0])(shifted)
        return jnp.roll(gradient, -shift, (0, 1))

    def finish(self, case: Case, gathered: Float[Array, "h w c"]) -> Heatmap:
        """Return the mean, one number per pixel."""
        return Heatmap(values=jnp.abs(gathered / self.evaluations).max(-1))
