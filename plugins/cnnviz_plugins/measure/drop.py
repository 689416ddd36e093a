"""Average drop, average gain and increase in confidence: the score of what the map keeps (Chattopadhay et al. 2018)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold
from cnnviz_plugins.measure.plugin import DropConfig


@dataclass(frozen=True, kw_only=True)
class AverageDrop(MetricFold):
    """max(0, score - score of the kept image) / score, per image; the measure is the mean.

    Kept is the image times the map's positive part over its maximum; an all-zero map keeps nothing. `extras` has
    the kept image's score. A share of 0 to 1, where the paper writes percent.

    Cost: two forward passes per image.
    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, section 4.
    """

    config: DropConfig
    better: Better = "lower"

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the untouched score and that of the kept image."""
        kept = self._kept(case.target.heat)
        scored = case.target.inner.scored_as(self.config.score)
        return case.model.score(case.image, scored)[0], case.model.score(case.image * kept[..., None], scored)[0]

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return the share that is lost; 0 where there was nothing to lose."""
        score, kept = (part[0] for part in gathered)
        return Measured(values=self._value(score, kept), extras={"kept_score": kept})

    def _kept(self, heat: Float[Array, "h w"]) -> Float[Array, "h w"]:
        positive = jnp.maximum(heat, 0.0)
        top = positive.max()
        return positive / jnp.where(top > 0, top, 1.0)

    def _value(self, score: Float[Array, ""], kept: Float[Array, ""]) -> Float[Array, ""]:
        has_score = score > 0
        return jnp.where(has_score, jnp.maximum(score - kept, 0.0) / jnp.where(has_score, score, 1.0), 0.0)


@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidence(AverageDrop):
    """1 where the kept image scores higher than the whole one, else 0; the measure is the mean.

    Cost: two forward passes per image.
    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, section 4.
    """

    better: Better = "higher"

    def _value(self, score: Float[Array, ""], kept: Float[Array, ""]) -> Float[Array, ""]:
        return (kept > score).astype(jnp.float32)


@dataclass(frozen=True, kw_only=True)
class AverageGain(AverageDrop):
    """max(0, kept - score) / (1 - score), per image; the measure is the mean.

    Kept is the image times the map scaled from its least value, 0, to its largest, 1; an even map keeps nothing. Where
    the score is 1 there is nothing to gain: 0. Scores above 1, such as logits, have no gain in this sense.

    Cost: two forward passes per image.
    Source: Zhang, Torres, Sicre, Avrithis, Ayache 2024, section 4.3; the scale of the map is Xplique's.
    """

    better: Better = "higher"

    def _kept(self, heat: Float[Array, "h w"]) -> Float[Array, "h w"]:
        least, top = heat.min(), heat.max()
        return (heat - least) / jnp.where(top > least, top - least, 1.0)

    def _value(self, score: Float[Array, ""], kept: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.maximum(kept - score, 0.0) / (1 - score + 1e-8)
