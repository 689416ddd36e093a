"""Rules that replace an integral from 0 to 1 by a weighted sum."""

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.explain.gradient.plugin import Quadrature

Nodes = Float[np.ndarray, " n"]


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
