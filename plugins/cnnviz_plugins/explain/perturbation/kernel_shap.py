"""KernelSHAP: Shapley values of the image's parts, as a weighted regression (Lundberg, Lee 2017)."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from cnnviz_jax.plugin import Case
from cnnviz_plugins.explain.perturbation.game_options import KernelShapConfig
from cnnviz_plugins.explain.perturbation.least_squares import least_squares, linear_model, slope_errors
from cnnviz_plugins.explain.perturbation.parts import Parts
from cnnviz_plugins.explain.perturbation.sampled_parts import SampledParts, Told


@dataclass(frozen=True, kw_only=True)
class KernelShap(SampledParts):
    """The Shapley value of every part: its mean contribution over all orders in which parts may appear.

    They sum to score - score of the image with all parts occluded (`extras["base"]`), exactly: the sum is a
    constraint, not an observation of large weight. Where all coalitions are asked (2^parts <= samples) the values
    are exact; otherwise coalitions are drawn by the Shapley kernel in pairs with their complements, and the standard
    error is over draws of pairs.

    Cost: `samples` forward passes per image, or 2^parts where that is less.
    Randomness: pair i of an image comes from fold_in(image's key, i); none where all coalitions are asked.
    Source: Lundberg, Lee 2017, theorem 2; drawing by the kernel as Captum does; pairs: Covert, Lee 2021; `xplique`:
    xplique/attributions/kernel_shap.py, a regression without weights on single coalitions, and no constraint; `captum`:
    captum/attr/_core/kernel_shap.py, single coalitions too; its weight of 1e6 on none and all is the constraint here.
    """

    config: KernelShapConfig

    @classmethod
    def facts(cls, config: KernelShapConfig) -> tuple[tuple[str, Any], ...]:
        """Return the number of coalitions that may be asked."""
        return (("samples", config.samples),)

    @property
    def is_exact(self) -> bool:
        """Whether all coalitions are asked."""
        few = self.segments.count < 31 and 2**self.segments.count <= self._samples
        return few and self.config.convention == "paper"

    @property
    def _samples(self) -> int:
        return int(self.config.samples or 0)

    @property
    def evaluations(self) -> int:
        """One per coalition."""
        return 2**self.segments.count if self.is_exact else self._samples

    def shared(self, case: Case) -> tuple[Parts, Key[Array, ""]]:
        """Return the image's parts and its key, which both coalitions of a pair need."""
        return self.parts(case), case.key

    def ask(self, case: Case) -> tuple[Bool[Array, " count"], Float[Array, ""]]:
        """Return coalition `index` and its score."""
        parts, root = case.context
        kept = self._every(case.index) if self.is_exact else self._drawn(case.index, root)
        return kept, case.model.score(parts.keeping(case.image, kept), case.target)[0]

    def _every(self, index: Int[Array, ""]) -> Bool[Array, " count"]:
        return (index >> jnp.arange(self.segments.count, dtype=index.dtype)) & 1 == 1

    def _drawn(self, index: Int[Array, ""], root: Key[Array, ""]) -> Bool[Array, " count"]:
        """No part, all parts, then pairs: a coalition of m parts with chance ~ 1 / (m (count - m)), its complement."""
        count, is_paired = self.segments.count, self.config.convention == "paper"
        number = jax.random.uniform(jax.random.fold_in(root, index // 2 if is_paired else index), (count + 1,))
        size = 1 + (number[0] > jnp.asarray(_below(count), jnp.float32)).sum()
        rank = jnp.argsort(jnp.argsort(number[1:]))
        if self.config.convention == "xplique":
            return rank < size
        drawn = (rank < size) ^ (index % 2 == 1) if is_paired else rank < size
        return jnp.where(index < 2, index == 1, drawn)

    def tell(self, own: tuple[Parts, Key[Array, ""]], gathered: Any, counts: Bool[Array, " n"]) -> Told:
        """Return the Shapley values, and their standard errors where coalitions were drawn."""
        kept, scores = gathered
        if self.config.convention == "xplique":
            plain, design = counts.astype(jnp.float32), kept.astype(jnp.float32)
            slopes, intercept, _ = linear_model(design, scores, plain, 0.0)
            residuals = scores - intercept - design @ slopes
            off = slope_errors(design - (plain / plain.sum()) @ design, residuals, plain)
            return Told(own[0], slopes, off, {"base": intercept})
        count = self.segments.count
        sizes = kept.sum(1)
        base = scores[0]
        rise = scores[-1 if self.is_exact else 1] - base
        if self.is_exact:
            weights = jnp.asarray(_kernel(count), jnp.float32)[sizes]
        else:
            weights = ((sizes > 0) & (sizes < count) & counts).astype(jnp.float32)
        # Values are rise / count each plus something that sums to 0: the constraint holds whatever the data.
        centred = kept.astype(jnp.float32) - (sizes / count)[:, None].astype(jnp.float32)
        outputs = scores - base - rise * (sizes / count).astype(jnp.float32)
        apart = least_squares(centred, outputs, weights)
        values = rise / count + apart - apart.mean()
        error = None
        if not self.is_exact:
            residuals = outputs - jnp.einsum("nk,k->n", centred, apart, precision="highest")
            if len(scores) % self._pairs:  # the last coalition stands without its complement
                centred = jnp.concatenate([centred, jnp.zeros_like(centred[:1])])
                residuals, weights = (jnp.append(each, 0.0) for each in (residuals, weights))
            error = slope_errors(centred, residuals, weights, together=self._pairs, sum_to_zero=True)
        return Told(own[0], values, error, {"base": base})

    @property
    def _pairs(self) -> int:
        """How many coalitions are one draw."""
        return 2 if self.config.convention == "paper" else 1


def _below(count: int) -> Float[np.ndarray, " sizes"]:
    """The chance that a coalition has at most 1, 2, ..., count - 2 parts."""
    sizes = np.arange(1, count)
    chance = 1 / (sizes * (count - sizes))
    return np.cumsum(chance / chance.sum())[:-1]


def _kernel(count: int) -> Float[np.ndarray, " sizes"]:
    """The Shapley kernel by the size of a coalition; the empty and the full one are the constraint."""
    inner = [(count - 1) / (math.comb(count, m) * m * (count - m)) for m in range(1, count)]
    return np.array([0.0, *inner, 0.0])
