"""Completeness: whether the map adds up to the score less that of nothing (Sundararajan et al. 2017)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, fill_of
from cnnviz_plugins.measure.options.faithfulness import CompletenessConfig


@dataclass(frozen=True, kw_only=True)
class Completeness(MetricFold):
    """|sum of the map - (score - score of nothing)| over |score - score of nothing|: 0 for a complete map.

    The map as it came, signed and over all channels, counts. `extras` has the `gap` itself, with its sign, and the
    `difference` that should be reached.

    Cost: two forward passes per image.
    Source: Sundararajan, Taly, Yan 2017, section 3. Quantus asks whether two floats are equal, after dividing the map
    by its largest value, which is almost never so.
    """

    config: CompletenessConfig
    better: Better = "lower"
    undefined: str = "its score is that of nothing"

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the score, and that of nothing."""
        scored = case.target.inner.scored_as(self.config.score)
        nothing = fill_of(case.image, self.config.fill, case.model)
        return case.model.score(case.image, scored)[0], case.model.score(nothing, scored)[0]

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return the relative gap."""
        score, nothing = (part[0] for part in gathered)
        difference = score - nothing
        gap = case.target.raw.sum() - difference
        value = jnp.where(difference != 0, jnp.abs(gap) / jnp.where(difference != 0, jnp.abs(difference), 1.0), jnp.nan)
        return Measured(values=value, extras={"gap": gap, "difference": difference})
