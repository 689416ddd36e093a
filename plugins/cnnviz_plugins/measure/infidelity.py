"""Infidelity: the map as a linear forecast of what a perturbation does to the score (Yeh et al. 2019)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold
from cnnviz_plugins.measure.plugin import InfidelityConfig


@dataclass(frozen=True, kw_only=True)
class Infidelity(MetricFold):
    """Mean of (I . map - (f(x) - f(x - I)))^2 over random perturbations I.

    A map of one number per pixel is shared equally by the pixel's channels. `extras` has the `scale` by which
    the map was multiplied.

    Randomness: perturbation i of an image uses fold_in(image's key, i).
    Cost: `samples` + 1 forward passes per image.
    Source: Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, definition 2.1; the optimal scale is their section 2.
    """

    config: InfidelityConfig
    better: Better = "lower"

    @property
    def evaluations(self) -> int:
        """One per perturbation."""
        return self.config.samples

    def prepare(self, case: Case) -> Float[Array, ""]:
        """Return the untouched score."""
        return case.model.score(case.image, case.target.inner.scored_as(self.config.score))[0]

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the forecast of one perturbation, and what it does."""
        taken = self._perturbation(case.image, case.key)
        raw, channels = case.target.raw, case.image.shape[-1]
        shares = raw if raw.shape[-1] == channels else raw / channels
        now = case.model.score(case.image - taken, case.target.inner.scored_as(self.config.score))[0]
        return (taken * shares).sum(), case.context - now

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return the mean squared error."""
        forecast, change = gathered
        square = (forecast**2).mean()
        scale = jnp.ones_like(square)
        if self.config.scale == "optimal":
            scale = jnp.where(square > 0, (forecast * change).mean() / jnp.where(square > 0, square, 1.0), 0.0)
        return Measured(values=((scale * forecast - change) ** 2).mean(), extras={"scale": scale})

    def _perturbation(self, image: Float[Array, "h w c"], key: Key[Array, ""]) -> Float[Array, "h w c"]:
        word, number = self.config.kind
        if word == "gaussian":
            return number * jax.random.normal(key, image.shape, image.dtype)
        height, width = image.shape[:2]
        sides = min(round(number), height), min(round(number), width)
        corner = jax.random.split(key)
        top = jax.random.randint(corner[0], (), 0, height - sides[0] + 1)
        left = jax.random.randint(corner[1], (), 0, width - sides[1] + 1)
        rows, cols = jnp.arange(height)[:, None, None], jnp.arange(width)[None, :, None]
        inside = (rows >= top) & (rows < top + sides[0]) & (cols >= left) & (cols < left + sides[1])
        return jnp.where(inside, image, 0.0)
