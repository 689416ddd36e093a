"""How a unit's values are spread over all positions of all images."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Distributions, Facts, Histogram, LayerCase, Part


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows a unit's histogram with its quantiles, and its rates."""
    found: Distributions = case.results["distributions"]
    state = dict.fromkeys(found.saturated, "saturated") | dict.fromkeys(found.always_on, "always on")
    state |= dict.fromkeys(found.dead, "dead: never above zero")

    def of(unit: int) -> list[Part]:
        seen = np.flatnonzero(found.count[unit])
        parts: list[Part] = []
        if len(seen):
            first, last = int(seen[0]), int(seen[-1])
            edges = found.edges[first : last + 2].astype(np.float64)
            # The outermost bins are open; the unit's own extremes close them.
            edges = np.clip(edges, float(found.minimum[unit]), float(found.maximum[unit]))
            marks = [(f"{share:.0%}", found.quantiles[unit, k]) for k, share in enumerate(found.shares)]
            counts = found.count[unit, first : last + 1].tolist()
            parts.append(Histogram(counts=counts, edges=edges.tolist(), marks=marks))
        rows = [
            ("mean", found.mean[unit]),
            ("deviation", found.deviation[unit]),
            ("minimum", found.minimum[unit]),
            ("maximum", found.maximum[unit]),
            ("share of positions above zero", found.fire_rate[unit]),
            ("share of images above zero", found.image_rate[unit]),
        ]
        if unit in state:
            rows.append(("state", state[unit]))
        return [*parts, Facts(rows=rows)]

    return of
