"""Shapley values from random orders in which the image's parts appear (Castro et al. 2009)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax.plugin import Case, Heatmap
from cnnviz_plugins.explain.perturbation.game_options import PermutationShapConfig
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold


@dataclass(frozen=True, kw_only=True)
class PermutationShap(PartsFold):
    """The mean over random orders of what the score gains as each part appears after those before it.

    The gains of one order add up to the score less that of the image with all parts occluded (`extras["base"]`), and
    so do the values, whatever the number of orders. `extras["standard_error"]`, like the values, and
    `extras["per_segment_error"]` are the standard deviation over orders (over pairs of them, where they are antithetic)
    by the root of their number; absent where there is but one.

    Cost: samples * (parts - 1) + 2 forward passes per image.
    Randomness: order i of an image comes from fold_in(image's key, i); with `antithetic` orders 2 i and 2 i + 1, its
    reverse, both from i.
    Source: Castro, Gómez, Tejada 2009, section 3; Štrumbelj, Kononenko 2010; Captum's ShapleyValueSampling.
    """

    config: PermutationShapConfig

    @classmethod
    def facts(cls, config: PermutationShapConfig) -> tuple[tuple[str, Any], ...]:
        """Return the orders followed."""
        return (("samples", config.samples), ("antithetic", config.antithetic))

    @property
    def evaluations(self) -> int:
        """No part, all parts, and all that stands between in every order."""
        return self.config.samples * (self.segments.count - 1) + 2

    def prepare(self, case: Case) -> tuple[Parts, Key[Array, ""]]:
        """Return the image's parts and its key, which all steps of an order need."""
        return self.parts(case), case.key

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score of no part (0), of all (1), or of the first parts of an order."""
        parts, root = case.context
        between = max(1, self.segments.count - 1)
        inner = jnp.maximum(case.index - 2, 0)
        size = jnp.where(case.index < 2, case.index * self.segments.count, 1 + inner % between)
        kept = self._places(root, inner // between) < size
        return case.model.score(parts.keeping(case.image, kept), case.target)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the mean gains as a map."""
        parts, root = case.context
        orders = self.config.samples
        places = jax.vmap(lambda number: self._places(root, number))(jnp.arange(orders))
        ends = (jnp.full((orders, 1), gathered[end]) for end in (0, 1))
        inner = gathered[2:].reshape(orders, self.segments.count - 1)
        rising = jnp.concatenate([next(ends), inner, next(ends)], 1)
        gains = jnp.take_along_axis(jnp.diff(rising, axis=1), places, 1)
        values = gains.mean(0)
        if self.config.antithetic:
            gains = gains.reshape(orders // 2, 2, -1).mean(1)
        errors: dict[str, Array] = {}
        if len(gains) > 1:
            per_part = gains.std(0, ddof=1) / jnp.sqrt(1.0 * len(gains))
            errors = {"standard_error": per_part[parts.segments], "per_segment_error": per_part}
        gap = values.sum() - (gathered[1] - gathered[0])
        return self.shown(parts, values, base=gathered[0], completeness_gap=gap, **errors)

    def _places(self, root: Key[Array, ""], number: Int[Array, ""]) -> Int[Array, " count"]:
        """The place of each part in order `number`."""
        count = self.segments.count
        drawn = jax.random.uniform(
            jax.random.fold_in(root, number // 2 if self.config.antithetic else number), (count,)
        )
        places = jnp.argsort(jnp.argsort(drawn))
        return jnp.where(number % 2 == 1, count - 1 - places, places) if self.config.antithetic else places
