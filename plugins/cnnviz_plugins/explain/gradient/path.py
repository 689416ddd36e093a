"""Paths to the image: their ends, what shares along them have to sum to, and rules that replace their integrals."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.plugin import Case, Fold, GivenArray, Heatmap, View
from cnnviz_plugins.explain.gradient.baseline_options import Quadrature, words_of
from cnnviz_plugins.explain.site import IMAGE, Site

Nodes = Float[np.ndarray, " n"]


class PathEndpoints(NamedTuple):
    """Where a path begins and ends, at the image or a layer, and the scores there."""

    start: Float[Array, "..."]
    end: Float[Array, "..."]
    start_score: Float[Array, ""]
    score: Float[Array, ""]

    @classmethod
    def of(cls, case: Case, start: Float[Array, "h w c"], site: Site = IMAGE) -> "PathEndpoints":
        """Return the ends of the path from what stands at `site` for the image `start` to what stands there.

        The image itself stays; at a layer its own value moves alone.

        Cost: one forward pass, and one for the image's score where the program does not have it already; at a layer
        two more, up to it.
        """
        model, target = case.model, case.target
        first = site.value(model, start)
        first_score = site.score(model, case.image, first, target)
        return cls(first, site.value(model, case.image), first_score, model.score(case.image, target)[0])

    def gap(self, values: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """Return the score at the start, and by how much shares miss the difference of scores in their sum."""
        gap = values.sum() - (self.score - self.start_score)
        return {"baseline_score": self.start_score, "completeness_gap": gap}

    def shared(self, values: Float[Array, "..."], site: Site = IMAGE) -> Heatmap:
        """Return shares of the values at `site` with by how much their sum misses the difference of scores."""
        return site.heatmap(values, self.gap(values))


@dataclass(frozen=True, kw_only=True)
class WholePath(Fold):
    """A fold whose one evaluation returns the shares of the pixels or a layer, and the image where the path starts."""

    view: View = "pixels"
    site: Site = IMAGE

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the shares and by how much their sum misses the difference of scores."""
        values, start = (part[0] for part in gathered)
        return PathEndpoints.of(case, start).shared(values, self.site)


def baselines_of(case: Case, baselines: tuple[str, ...] | str, key: Key[Array, ""] | None) -> Float[Array, "k h w c"]:
    """Return the images that a distribution of baselines is made of, by words or as the user gave them.

    Args:
        case: The image whose baselines they are.
        baselines: The option.
        key: For `noise`.
    """
    if isinstance(baselines, GivenArray):
        found: Array = case.shared[baselines.option]
        return found
    return jnp.stack([case.filled(words, key=key) for words in words_of(baselines)])


def rule_of(quadrature: Quadrature, nodes: int, convention: str = "paper") -> tuple[Nodes, Nodes]:
    """Return where the integrand is evaluated, and the weights there.

    Args:
        quadrature: Name of the rule.
        nodes: Number of nodes.
        convention: `captum` makes its trapezoid, whose weights are 1/n, half of it at both ends, and sum to 1 - 1/n.
    """
    if quadrature == "gausslegendre":
        at, weights = np.polynomial.legendre.leggauss(nodes)
        return ((at + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)
    weights = np.full(nodes, 1 / nodes)
    if quadrature in ("trapezoid", "endpoints"):
        at = np.linspace(0, 1, nodes)
        if quadrature == "trapezoid":
            weights = weights if convention == "captum" else np.full(nodes, 1 / (nodes - 1))
            weights[[0, -1]] /= 2
    else:
        shift = {"riemann_left": 0.0, "riemann_middle": 0.5, "riemann_right": 1.0}[quadrature]
        at = (np.arange(nodes) + shift) / nodes
    return at.astype(np.float32), weights.astype(np.float32)
