"""Sobol: the share of the score's variance in which each part has a hand (Fel et al. 2021)."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Heatmap, sobol_indices, sobol_points, sobol_strengths
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold
from cnnviz_plugins.explain.perturbation.plugin import SobolConfig


@dataclass(frozen=True, kw_only=True)
class Sobol(PartsFold):
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

    def prepare(self, case: Case) -> tuple[Parts, Float[Array, "designs twice"]]:
        """Return the image's parts and the matrices A and B side by side."""
        shape = (self.config.designs, 2 * self.segments.count)
        if self.config.sampler == "random":
            design = jax.random.uniform(jax.random.fold_in(case.key, 1), shape)
        else:
            design = sobol_points(*shape)
        return self.parts(case), design

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score of row index % designs of matrix index // designs: A, B, then one for each part."""
        parts, design = case.context
        return case.model.score(parts.fading(case.image, sobol_strengths(design, case.index)), case.target)[0]

    def finish(self, case: Case, gathered: Float[Array, " n"]) -> Heatmap:
        """Return the total indices as a map."""
        total, first = sobol_indices(gathered, self.config.designs)
        return self.shown(case.context[0], total, first_order=first)
