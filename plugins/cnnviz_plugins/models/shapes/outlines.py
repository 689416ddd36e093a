"""The outlines of objects as signed distances: negative inside, about 1 in radius.

Coordinates are the object's own, centred, upright, one unit to the rim; `u` right, `v` down.
Distances near the line are true ones, so an edge can be smoothed to exactly one pixel.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_plugins.models.shapes.rng import Rng

Plane = Float[np.ndarray, "*n h w"]
"""A coordinate, or a distance, for every pixel of n images."""


def circle(u: Plane, v: Plane) -> Plane:
    """A disc of radius 0.9."""
    return np.hypot(u, v) - 0.9


def square(u: Plane, v: Plane) -> Plane:
    """A square of half side 0.75 with slightly rounded corners."""
    return box(u, v, 0.75, 0.75)


def triangle(u: Plane, v: Plane) -> Plane:
    """An equilateral triangle, tip up."""
    leaning = np.abs(u) * np.sqrt(0.75) - v * 0.5
    return np.maximum(leaning, v) - 0.5


def star(u: Plane, v: Plane) -> Plane:
    """A five-pointed star, one tip up."""
    radius, sector = np.hypot(u, v), np.pi / 5
    angle = np.abs((np.arctan2(u, -v) + sector) % (2 * sector) - sector)  # folded onto half a point
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    inner_x, inner_y = 0.44 * np.cos(sector), 0.44 * np.sin(sector)
    edge = np.hypot(1 - inner_x, inner_y)
    return ((x - 1) * inner_y + y * (1 - inner_x)) / edge


def cross(u: Plane, v: Plane) -> Plane:
    """A plus sign with arms 0.6 wide."""
    return np.minimum(box(u, v, 0.92, 0.3), box(u, v, 0.3, 0.92))


def ring(u: Plane, v: Plane) -> Plane:
    """A band from radius 0.5 to 0.94; its hole belongs to the background."""
    return np.abs(np.hypot(u, v) - 0.72) - 0.22


def blob(u: Plane, v: Plane, rng: Rng) -> Plane:
    """A smooth pebble, different for each image; what textures are shown on, so that its form tells nothing."""
    angle, rim = np.arctan2(v, u), np.float32(0.82)
    for waves, height in ((2, 0.13), (3, 0.09), (4, 0.05)):
        amplitude, phase = rng.uniform(-height, height, 1, 1), rng.uniform(0, 2 * np.pi, 1, 1)
        rim = rim + amplitude * np.cos(waves * angle + phase)
    return np.hypot(u, v) - rim


def box(u: Plane, v: Plane, half_width: float, half_height: float) -> Plane:
    """A rectangle with slightly rounded corners."""
    right, down = np.abs(u) - half_width + 0.06, np.abs(v) - half_height + 0.06
    outside = np.hypot(np.maximum(right, 0), np.maximum(down, 0))
    return outside + np.minimum(np.maximum(right, down), 0) - 0.06


OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "cross": cross,
    "ring": ring,
}
"""The outlines that are classes of their own."""
