"""HSIC: how much the score depends on each part being there, by kernels (Novello et al. 2022)."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case, Heatmap, Model, sobol_points
from cnnviz_plugins.explain.perturbation.game_options import HsicConfig
from cnnviz_plugins.explain.perturbation.parts import PartsFold


@dataclass(frozen=True, kw_only=True)
class Hsic(PartsFold):
    """The Hilbert-Schmidt independence criterion of each part's presence and the score, over masks; never negative.

    trace(H K H L) / n over n masks, with H = I - 1/n, K = 1.5 where both of two masks keep or both drop the part and
    0.5 where they differ, and L = exp(-(y - y')^2 / (2 w^2)) of their scores. 0 means that the score does not depend on
    the part, in whatever form; the number says not which way. w is the median of |y - y'| over pairs; where that is 0,
    their mean; `xplique` takes the median score. `extras["width"]` is w.

    Cost: `masks` forward passes per image, or 2^parts where that is less; memory for one matrix of masks x masks.
    Randomness: none; the masks are the same for every image.
    Source: Novello, Fel, Vigouroux 2022, section 3; BinaryEstimator of xplique's hsic_estimators.py.
    """

    config: HsicConfig

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its parts laid out."""
        fold = super().build(config, model)
        return replace(fold, notes=(*fold.notes, ("masks", fold.evaluations)))

    @property
    def evaluations(self) -> int:
        """One per mask."""
        count = self.segments.count
        return 2**count if count < 31 and 2**count <= self.config.masks else self.config.masks

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score of the image with the parts that mask `index` drops occluded."""
        kept = jnp.asarray(binary_masks(self.evaluations, self.segments.count))[case.index]
        return case.model.score(case.context.keeping(case.image, kept), case.target)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return each part's dependence as a map."""
        apart = jnp.abs(gathered[:, None] - gathered[None, :])
        if self.config.convention == "xplique":
            width = jnp.median(gathered)
        else:
            pairs = apart[np.triu_indices(len(gathered), 1)]
            width = jnp.median(pairs)
            width = jnp.where(width > 0, width, pairs.mean())
        # As w goes to 0, L goes to 1 where two scores are equal and 0 elsewhere.
        scaled = (apart / jnp.where(width == 0, 1, width)) ** 2
        alike = jnp.where(width == 0, (apart == 0).astype(apart.dtype), jnp.exp(-scaled / 2))
        # K of part k is 1.5 - (m - m')^2 for its column m of zeros and ones, that is 2 m m' and terms in m or m' alone,
        # which H takes away: trace(H K H L) = 2 c'L c with c = m less its mean. No matrix is made for each part.
        kept = binary_masks(self.evaluations, self.segments.count).astype(np.float32)
        centred = jnp.asarray(kept - kept.mean(0))
        form = jnp.einsum("nk,nm,mk->k", centred, alike, centred, precision="highest")
        scores = jnp.maximum(2 * form / len(gathered), 0)  # L is positive definite; rounding is not
        return self.shown(case.context, scores, width=width)


@cache
def binary_masks(count: int, parts: int) -> Bool[np.ndarray, "count parts"]:
    """Return which parts each mask keeps: all coalitions by their bits, or the first points of a Sobol sequence."""
    if parts < 31 and count == 2**parts:
        return np.arange(count)[:, None] >> np.arange(parts) & 1 == 1
    whole = 1 << (count - 1).bit_length()  # a Sobol sequence is balanced at powers of two, and SciPy warns elsewhere
    with jax.ensure_compile_time_eval():  # kept for the next trace, so it may not belong to this one
        return np.asarray(sobol_points(whole, parts))[:count] > 0.5
