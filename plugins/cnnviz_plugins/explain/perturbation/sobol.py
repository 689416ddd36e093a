"""Sobol: the share of the score's variance in which each part has a hand (Fel et al. 2021)."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case, sobol_indices, sobol_points, sobol_strengths
from cnnviz_plugins.explain.perturbation.parts import Parts
from cnnviz_plugins.explain.perturbation.plugin import SobolConfig
from cnnviz_plugins.explain.perturbation.sampled_parts import SampledParts, Told


@dataclass(frozen=True, kw_only=True)
class Sobol(SampledParts):
    """The total Sobol index of every part, when each part fades towards what occludes it by a random amount.

    Two matrices A and B of random strengths, and for each part a matrix that is A with the part's column from B. The
    total index is Jansen's: sum over rows of (f(A) - f(A with part i of B))^2 / (2 designs variance of f(A)), never
    negative: it says that a part matters, not which way. `extras["first_order"]` is what it does alone.

    Cost: designs * (parts + 2) forward passes per image.
    Randomness: none with `sampler="sobol"`; one draw of both matrices per image with `random`.
    Source: Fel, Cadène, Chalvidal, Cord, Vigouroux, Serre 2021, section 3; Jansen 1999; variance over designs - 1
    as in xplique's JansenEstimator.
    """

    config: SobolConfig

    @property
    def evaluations(self) -> int:
        """Designs times matrices."""
        return self.config.designs * (self.segments.count + 2)

    @property
    def looks(self) -> tuple[int, ...]:
        """After 16, 32, 64, ... rows."""
        rows = (2**power for power in range(4, 31))
        return tuple(self._matrices * row for row in takewhile(lambda row: row < self.config.designs, rows))

    @property
    def _matrices(self) -> int:
        return self.segments.count + 2

    def shared(self, case: Case) -> tuple[Parts, Float[Array, "designs twice"]]:
        """Return the image's parts and the matrices A and B side by side."""
        shape = (self.config.designs, 2 * self.segments.count)
        if self.config.sampler == "random":
            design = jax.random.uniform(jax.random.fold_in(case.key, 1), shape)
        else:
            design = sobol_points(*shape)
        return self.parts(case), design

    def ask(self, case: Case) -> Float[Array, ""]:
        """Return the score of a row of a matrix: A, B, then one for each part."""
        parts, design = case.context
        index = case.index
        if self.config.tolerance is not None:  # row after row, so that rows can be left out
            index = index % self._matrices * self.config.designs + index // self._matrices
        return case.model.score(parts.fading(case.image, sobol_strengths(design, index)), case.target)[0]

    def tell(self, own: tuple[Parts, Any], gathered: Float[Array, " n"], counts: Bool[Array, " n"]) -> Told:
        """Return the total indices and their standard errors."""
        if self.config.tolerance is None:
            scores = gathered.reshape(self._matrices, -1)
            total, first = sobol_indices(gathered, self.config.designs)
            rows = jnp.ones(self.config.designs, bool)
        else:
            scores = gathered.reshape(-1, self._matrices).T
            rows = counts.reshape(-1, self._matrices)[:, 0]
            total, first = _indices(scores, rows)
        return Told(own[0], total, _errors(scores, total, rows), {"first_order": first})


def _indices(
    scores: Float[Array, "matrices rows"], counts: Bool[Array, " rows"]
) -> tuple[Float[Array, " count"], Float[Array, " count"]]:
    """What `sobol_indices` makes of the rows that count."""
    at_a, at_b, mixed = scores[0], scores[1], scores[2:]
    from_a, from_b = (jnp.where(counts, (at - mixed) ** 2, 0).sum(1) for at in (at_a, at_b))
    number = counts.sum().astype(jnp.float32)
    middle = jnp.where(counts, at_a, 0).sum() / number
    spread = 2 * number / (number - 1) * jnp.where(counts, (at_a - middle) ** 2, 0).sum()
    over = jnp.where(spread > 0, spread, 1)
    return jnp.where(spread > 0, from_a / over, 0), jnp.where(spread > 0, 1 - from_b / over, 0)


def _errors(
    scores: Float[Array, "matrices rows"], total: Float[Array, " count"], counts: Bool[Array, " rows"]
) -> Float[Array, " count"]:
    """The standard errors of total indices over draws of rows; NaN where fewer than three rows count or none varies."""
    # An index is a mean of squares over a variance. To first order a row moves it by its own square less the index
    # times its own squared deviation, over the variance: the delta method.
    number = counts.sum().astype(jnp.float32)
    middle = jnp.where(counts, scores[0], 0).sum() / number
    off = jnp.where(counts, (scores[0] - middle) ** 2, 0)
    spread = off.sum() / number
    moves = jnp.where(counts, (scores[0] - scores[2:]) ** 2 / 2, 0) - total[:, None] * off
    moves = jnp.where(counts, moves - moves.sum(1, keepdims=True) / number, 0)
    can = (number > 2) & (spread > 0)
    error = jnp.sqrt((moves**2).sum(1) / (number * jnp.maximum(number - 1, 1))) / jnp.where(can, spread, 1)
    return jnp.where(can, error, jnp.nan)
