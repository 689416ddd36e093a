"""Shapley values of a few parts, from the scores of all their coalitions (Shapley 1953)."""

import math
from dataclasses import dataclass
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, UsageError
from cnnviz_plugins.explain.perturbation.game_options import ShapleyConfig
from cnnviz_plugins.explain.perturbation.parts import PartsFold

MOST = 16
"""Parts: 65,536 coalitions."""


@dataclass(frozen=True, kw_only=True)
class Shapley(PartsFold):
    """The mean contribution of every part over all orders in which parts may appear.

    phi_i = sum over coalitions S without i of |S|! (d - |S| - 1)! / d! (score(S and i) - score(S)). They sum to the
    score less that of the image with all parts occluded (`extras["base"]`).

    Raises (when built):
        UsageError: There are more than 16 parts.

    Cost: 2^parts forward passes per image.
    Source: Shapley 1953; Lundberg, Lee 2017, equation 4.
    """

    config: ShapleyConfig

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its parts laid out."""
        fold = super().build(config, model)
        if fold.segments.count > MOST:
            raise UsageError(
                f"shapley asks all 2^parts coalitions of at most {MOST} parts, and segments={config.segments!r:.40} "
                f"makes {fold.segments.count}; kernel-shap, permutation-shap and partition-shap take more"
            )
        return fold

    @property
    def evaluations(self) -> int:
        """One per coalition."""
        return 2**self.segments.count

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score of coalition `index`, whose bit j says whether part j is there."""
        kept = (case.index >> jnp.arange(self.segments.count, dtype=case.index.dtype)) & 1 == 1
        return case.model.score(case.context.keeping(case.image, kept), case.target)[0]

    def finish(self, case: Case, gathered: Float[Array, " coalitions"]) -> Heatmap:
        """Return the Shapley values as a map."""
        count = self.segments.count
        # Scores as a cube with an axis of absent and present for each part: bit j of an index is axis count - 1 - j.
        cube = gathered.reshape((2,) * count)
        weights = jnp.asarray(_weights(count), gathered.dtype)
        values = [
            jnp.dot((jnp.take(cube, 1, axis) - jnp.take(cube, 0, axis)).reshape(-1), weights, precision="highest")
            for axis in reversed(range(count))
        ]
        per_part = jnp.stack(values)
        gap = per_part.sum() - (gathered[-1] - gathered[0])
        return self.shown(case.context, per_part, base=gathered[0], completeness_gap=gap)


def _weights(count: int) -> Float[np.ndarray, " others"]:
    """|S|! (count - |S| - 1)! / count! for each coalition S of the other parts, in order of their bits."""
    sizes = np.array([number.bit_count() for number in range(2 ** (count - 1))])
    return np.array([1 / (count * math.comb(count - 1, size)) for size in range(count)])[sizes]
