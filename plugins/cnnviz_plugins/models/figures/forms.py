"""The forms that a figure's parts may have, as signed distances: negative inside, about 1 in radius.

Coordinates are the part's own, centred on its slot: `out` away from the body, `side` to the right of that.
"""

from collections.abc import Callable

import numpy as np

from cnnviz_plugins.models.shapes.outlines import OUTLINES, Plane, box, circle, cross, ring


def crescent(side: Plane, out: Plane) -> Plane:
    """A disc without another one, shifted outwards."""
    return np.maximum(np.hypot(side, out) - 0.95, 0.75 - np.hypot(side, out - 0.5))


def diamond(side: Plane, out: Plane) -> Plane:
    """A square on its tip, longer than wide."""
    return (np.abs(side) * 1.5 + np.abs(out) - 0.95) / np.float32(np.sqrt(1.5**2 + 1))


def bar(side: Plane, out: Plane) -> Plane:
    """A beam across."""
    return box(side, out, 0.95, 0.36)


def peg(side: Plane, out: Plane) -> Plane:
    """A beam away from the body."""
    return box(side, out, 0.36, 0.95)


def tee(side: Plane, out: Plane) -> Plane:
    """A peg with a beam across its end."""
    return np.minimum(box(side, out - 0.62, 0.95, 0.3), box(side, out, 0.28, 0.92))


def ell(side: Plane, out: Plane) -> Plane:
    """A peg with half a beam at its end."""
    return np.minimum(box(side - 0.35, out - 0.62, 0.6, 0.3), box(side + 0.25, out, 0.28, 0.92))


def half(side: Plane, out: Plane) -> Plane:
    """Half a disc, flat on the outer side."""
    return np.maximum(np.hypot(side, out) - 0.95, out - 0.15)


def wedge(side: Plane, out: Plane) -> Plane:
    """A disc with a mouth that opens outwards."""
    return np.maximum(np.hypot(side, out) - 0.9, (out - np.abs(side)) * np.float32(0.5**0.5) + 0.05)


def pair(side: Plane, out: Plane) -> Plane:
    """Two discs side by side."""
    return np.hypot(np.abs(side) - 0.52, out) - 0.42


def triple(side: Plane, out: Plane) -> Plane:
    """Three discs at the corners of a triangle."""
    corner = np.hypot(np.abs(side) - 0.5, out + 0.35) - 0.4
    return np.minimum(corner, np.hypot(side, out - 0.5) - 0.4)


FORMS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "circle": circle,
    "square": OUTLINES["square"],
    "triangle": lambda side, out: OUTLINES["triangle"](side, -out),
    "star": lambda side, out: OUTLINES["star"](side, -out),
    "ring": ring,
    "cross": cross,
    "crescent": crescent,
    "diamond": diamond,
    "bar": bar,
    "peg": peg,
    "tee": tee,
    "ell": ell,
    "half": half,
    "wedge": wedge,
    "pair": pair,
    "triple": triple,
}
"""The forms by name; the textures of a left foot are on a `circle`."""
