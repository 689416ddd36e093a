"""Entropy of a map, and the number of pixels that count in it (Bhatt et al. 2020; Nguyen and Martínez 2020)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Better, Case, MetricFold
from cnnviz_plugins.measure.options.complexity import EffectiveComplexityConfig


@dataclass(frozen=True, kw_only=True)
class Complexity(MetricFold):
    """The entropy, in nats, of |map| over its sum: from 0 to ln(pixels). A map of zeros is spread evenly.

    Cost: none in evaluations.
    Source: Bhatt, Weller, Moura 2020, definition 4.
    """

    better: Better = "lower"

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the entropy."""
        sizes = _relative(case.target.heat)
        sizes = jnp.where(sizes.any(), sizes, 1.0)
        shares = sizes / sizes.sum()
        return -jnp.where(shares > 0, shares * jnp.log(jnp.where(shares > 0, shares, 1.0)), 0.0).sum()


@dataclass(frozen=True, kw_only=True)
class EffectiveComplexity(MetricFold):
    """The number of pixels whose |value| is more than `eps` of the largest; 0 for a map of zeros.

    Cost: none in evaluations.
    Source: Nguyen, Martínez 2020, section 3; that `eps` is a share of the maximum is Quantus' definition.
    """

    config: EffectiveComplexityConfig
    better: Better = "lower"

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the count."""
        return (_relative(case.target.heat) > self.config.eps).sum().astype(jnp.float32)


def _relative(heat: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Return |map| over its maximum: maps of 1e-30 keep their shape."""
    sizes = jnp.abs(heat)
    top = sizes.max()
    return sizes / jnp.where(top > 0, top, 1.0)
