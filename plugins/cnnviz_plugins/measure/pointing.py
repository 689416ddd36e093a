"""The pointing game: whether the strongest pixel lies on the object (Zhang et al. 2016)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, ModelError
from cnnviz_plugins.measure.plugin import PointingGameConfig


@dataclass(frozen=True, kw_only=True)
class PointingGame(MetricFold):
    """1 where the map's strongest pixel is on the object or within `tolerance` pixels of it, else 0.

    A map without a maximum misses; where the mask is empty the measure is undefined. `extras` has `energy_inside`: the
    share of the map's positive part that lies on the object, 0 for a map without one, and `object_share`: that of the
    image, which is what chance scores.

    Cost: none in evaluations.
    Source: Zhang, Lin, Brandt, Shen, Sclaroff 2016, section 4; the energy is Wang et al. 2020, section 4.3.
    """

    config: PointingGameConfig
    better: Better = "higher"
    needs_mask: bool = True
    undefined: str = "its mask is empty"

    def evaluate(self, case: Case) -> Measured:
        """Return hit or miss."""
        if case.target.mask is None:
            raise ModelError("the pointing game was run without a mask")
        heat, inside = case.target.heat, case.target.mask > 0
        width = heat.shape[1]
        top = jnp.argmax(heat)
        rows, cols = jnp.arange(heat.shape[0])[:, None], jnp.arange(width)[None]
        distance = (rows - top // width) ** 2 + (cols - top % width) ** 2
        is_hit = (inside & (distance <= self.config.tolerance**2)).any() & (heat.max() > heat.min())
        positive = jnp.maximum(heat, 0.0)
        total = positive.sum()
        energy = jnp.where(inside, positive, 0.0).sum() / jnp.where(total > 0, total, 1.0)
        extras: dict[str, Any] = {"energy_inside": energy, "object_share": inside.mean()}
        value = jnp.where(inside.any(), is_hit.astype(jnp.float32), jnp.nan)
        return Measured(values=value, extras=extras)
