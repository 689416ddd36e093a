"""The textures of objects: how much of the second colour each pixel takes, smoothed to one pixel."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.models.shapes.outlines import Plane
from cnnviz_plugins.models.shapes.rng import Rng


def coverage(distance_px: Plane) -> Plane:
    """Share of each pixel that lies inside a line, from the signed distance of its centre to that line."""
    return np.clip(0.5 - distance_px, 0, 1)


def stripes(x: Plane, y: Plane, rng: Rng) -> Plane:
    """Parallel bars, 5 to 8 px from one to the next."""
    period = rng.uniform(5, 8, 1, 1)
    return coverage(_to_bars(x + rng.uniform(0, 8, 1, 1), period))


def checker(x: Plane, y: Plane, rng: Rng) -> Plane:
    """Squares of 4 to 6 px in two colours by turns."""
    period = 2 * rng.uniform(4, 6, 1, 1)
    across = coverage(_to_bars(x + rng.uniform(0, 12, 1, 1), period))
    down = coverage(_to_bars(y + rng.uniform(0, 12, 1, 1), period))
    return across + down - 2 * across * down


def dots(x: Plane, y: Plane, rng: Rng) -> Plane:
    """Round spots in staggered rows, 6 to 9 px apart."""
    period = rng.uniform(6, 9, 1, 1)
    row_height = period * np.float32(0.75**0.5)
    x, y = x + rng.uniform(0, 9, 1, 1), y + rng.uniform(0, 9, 1, 1)
    row = np.round(y / row_height)
    x = x - np.where(row % 2 == 0, np.float32(0), period / 2)
    from_spot = np.hypot(x - period * np.round(x / period), y - row_height * row)
    return coverage(from_spot - 0.3 * period)


def zigzag(x: Plane, y: Plane, rng: Rng) -> Plane:
    """Bars folded at right angles to rows of chevrons."""
    period, fold = rng.uniform(7, 9.5, 1, 1), rng.uniform(12, 15, 1, 1)
    folded = x + _to_bars(y + rng.uniform(0, 15, 1, 1), fold)
    return coverage(_to_bars(folded + rng.uniform(0, 9, 1, 1), period) * np.float32(0.5**0.5))


def _to_bars(x: Plane, period: Float[np.ndarray, "n 1 1"]) -> Plane:
    """Signed distance along x to the edges of bars half a period wide; negative on the bars."""
    return np.abs((x % period) - period / 2) - period / 4


TEXTURES: dict[str, Callable[[Plane, Plane, Rng], Plane]] = {
    "stripes": stripes,
    "checker": checker,
    "dots": dots,
    "zigzag": zigzag,
}
"""The textures, each a class of its own; coordinates are in pixels along the object's own axes."""
