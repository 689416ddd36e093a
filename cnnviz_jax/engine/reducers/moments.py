"""Mean and variance of every unit over all positions of all images, summed without rounding."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from cnnviz_jax.engine.reducers.exact_sum import LIMBS, UNIT_EXPONENT, exact_limbs, exact_totals
from cnnviz_jax.engine.reducers.over_positions import position_sums
from cnnviz_jax.engine.reducers.reducer import (
    Batch,
    Delta,
    LayerReducer,
    Total,
    by_position,
    positions,
)


@dataclass(frozen=True, kw_only=True)
class Moments(LayerReducer):
    """Per unit (channel) of one layer, mean and variance over images and positions.

    Each image's sum and sum of squares are float32; from there on nothing is rounded. An image with a
    value that is not finite in a unit's map is left out for that unit and counted.

    Result of `finish`: `mean` and `variance` (c,) float64 (data set variance, 0 where nothing was seen),
    `count` (c,) values seen, `nonfinite` (c,) images left out.
    """

    exact = ("sum", "square")

    def init(self) -> Delta:
        """Return zero sums."""
        c = self.shape[-1]
        limbs, counter = jnp.zeros((c, LIMBS), jnp.int32), jnp.zeros((c,), jnp.int32)
        return {"sum": limbs, "square": limbs, "images": counter, "nonfinite": counter}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the sums with the batch's added."""
        x = by_position(batch.values[self.layer])
        first, second = position_sums(x)  # the second is not finite where any value is not
        finite = jnp.isfinite(first) & jnp.isfinite(second)
        usable = batch.valid[:, None] & finite
        sums = [exact_limbs(jnp.where(usable, s, jnp.zeros_like(s))).sum(0, dtype=jnp.int32) for s in (first, second)]
        return {
            "sum": delta["sum"] + sums[0],
            "square": delta["square"] + sums[1],
            "images": delta["images"] + usable.sum(0, dtype=jnp.int32),
            "nonfinite": delta["nonfinite"] + (batch.valid[:, None] & ~finite).sum(0, dtype=jnp.int32),
        }

    def finish(self, total: Total) -> Total:
        """Return mean and variance, each rounded once."""
        each = positions(self.shape)
        first, second = exact_totals(total["sum"]), exact_totals(total["square"])
        mean, variance = np.zeros(len(first)), np.zeros(len(first))
        # With sums as whole numbers a1 and a2 of units 1 / u: mean = a1 / (n u), and variance = a2 / (n u) - mean**2,
        # on one denominator, where nothing cancels: (a2 n u - a1**2) / (n u)**2. Python rounds such a quotient once.
        unit = 1 << -UNIT_EXPONENT
        for i, images in enumerate(total["images"].tolist()):
            count = images * each
            if count:
                mean[i] = first[i] / (count * unit)
                variance[i] = max(0, second[i] * count * unit - first[i] ** 2) / (count * count * unit * unit)
        count = total["images"] * each
        return {"mean": mean, "variance": variance, "count": count, "nonfinite": total["nonfinite"]}
