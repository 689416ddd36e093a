"""Sparseness: the Gini index of a map (Chalasani et al. 2020)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Better, Case, MetricFold
from cnnviz_plugins.measure.plugin import SparsenessConfig


@dataclass(frozen=True, kw_only=True)
class Sparseness(MetricFold):
    """The Gini index of |map|: 0 where every pixel counts the same, (n - 1) / n where one of n has all.

    A map of zeros is spread evenly: 0. A sparse map is easier to read; that does not make it right.

    Cost: none in evaluations.
    Source: Chalasani, Chen, Chowdhury, Jha, Wu 2020, section 5.
    """

    config: SparsenessConfig
    better: Better = "higher"

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the index."""
        sizes = jnp.sort(jnp.abs(case.target.heat).reshape(-1))
        top = sizes[-1]
        shares = sizes / jnp.where(top > 0, top, 1.0)  # maps of 1e-30 keep their index
        count = sizes.size
        weights = 2 * jnp.arange(1, count + 1, dtype=jnp.float32) - count - 1
        return (weights * shares).sum() / (count * jnp.where(top > 0, shares.sum(), 1.0))
