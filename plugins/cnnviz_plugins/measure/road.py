"""ROAD: the score as pixels are replaced by what their neighbours suggest (Rong et al. 2022)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, Model
from cnnviz_plugins.measure.curves import places
from cnnviz_plugins.measure.plugin import RoadConfig

_WEIGHTS = {(0, 1): 1 / 6, (1, 0): 1 / 6, (1, 1): 1 / 12, (1, -1): 1 / 12}
"""What a neighbour counts, straight and diagonal; each stands for both directions."""


@dataclass(frozen=True, kw_only=True)
class Road(MetricFold):
    """Mean over shares of the score with that share of the pixels imputed, in the order of the map.

    An imputed pixel is the weighted mean of its neighbours, imputed or not, plus a little noise: unlike a black
    one it says little by its place. `curve` has a number per share.

    Randomness: the noise of point i of an image uses fold_in(image's key, i).
    Cost: one forward pass per share, two for `combined`, and a linear system in the image's pixels each.
    Source: Rong, Leemann, Borisov, Kasneci, Kasneci 2022, sections 4 and 5; half of lerf less morf is
    pytorch-grad-cam's combination.
    """

    config: RoadConfig
    better: Better = "higher"
    axis: str = "share of the pixels imputed"

    @classmethod
    def build(cls, config: RoadConfig, model: Model) -> "Road":
        """Return the fold for `model`."""
        return cls(config=config, at=tuple(config.shares), better="lower" if config.order == "morf" else "higher")

    @property
    def evaluations(self) -> int:
        """One per share and order."""
        return len(self.config.shares) * (2 if self.config.order == "combined" else 1)

    def prepare(self, case: Case) -> Int[Array, "h w"]:
        """Return the order of the pixels."""
        return places(case.target.heat)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score at one share, in one order."""
        shares = len(self.config.shares)
        counts = jnp.asarray(np.round(np.asarray(self.config.shares) * case.context.size).astype(np.int32))
        is_first = case.index < shares if self.config.order == "combined" else self.config.order == "morf"
        place = jnp.where(is_first, case.context, case.context.size - 1 - case.context)
        is_gone = place < counts[case.index % shares]
        noise = self.config.noise * jax.random.normal(case.key, case.image.shape, case.image.dtype)
        imputed = jnp.where(is_gone[..., None], _imputed(case.image, is_gone) + noise, case.image)
        return case.model.score(imputed, case.target.inner.scored_as(self.config.score))[0]

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the mean and the curve."""
        shares = len(self.config.shares)
        if self.config.order != "combined":
            return Measured(values=gathered.mean(), curve=gathered)
        morf, lerf = gathered[:shares], gathered[shares:]
        curve = (lerf - morf) / 2
        return Measured(values=curve.mean(), curve=curve, extras={"morf": morf, "lerf": lerf})


def _imputed(image: Float[Array, "h w c"], is_gone: Bool[Array, "h w"]) -> Float[Array, "h w c"]:
    """Return the image whose gone pixels are each the weighted mean of their neighbours.

    The equations of all gone pixels are one symmetric system, solved by conjugate gradients.
    """
    gone = is_gone[..., None].astype(image.dtype)
    there = 1 - gone
    weight = _neighbours(jnp.ones_like(gone))
    weight = jnp.where(weight > 0, weight, 1.0)  # an image of one pixel has no neighbours
    mean = jnp.where(there.sum() > 0, (image * there).sum((0, 1)) / jnp.maximum(there.sum(), 1), image.mean((0, 1)))

    def system(values: Array) -> Array:
        return gone * (weight * values - _neighbours(gone * values))

    # What is solved for is the difference to the mean, so that an image all gone becomes its mean.
    known = gone * _neighbours(there * (image - mean))
    found, _ = jax.scipy.sparse.linalg.cg(system, known, tol=1e-4, maxiter=4 * max(image.shape[:2]))
    return mean + found


def _neighbours(values: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Return the weighted sum over the eight neighbours inside the image."""
    total = jnp.zeros_like(values)
    height, width = values.shape[:2]
    padded = jnp.pad(values, ((1, 1), (1, 1), (0, 0)))
    for (down, right), share in _WEIGHTS.items():
        for sign in (1, -1):
            top, left = 1 + sign * down, 1 + sign * right
            total = total + share * padded[top : top + height, left : left + width]
    return total
