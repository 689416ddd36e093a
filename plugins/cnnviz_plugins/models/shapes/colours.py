"""The named colours of objects, and the muted ones of backgrounds."""

import numpy as np
from jaxtyping import Float, Int

from cnnviz_plugins.models.shapes.rng import Rng

# Hue as a share of the circle, saturation, value.
_HSV: dict[str, tuple[float, float, float]] = {
    "red": (0.995, 0.82, 0.88),
    "orange": (0.075, 0.86, 0.97),
    "yellow": (0.135, 0.78, 0.98),
    "green": (0.38, 0.68, 0.72),
    "cyan": (0.50, 0.70, 0.85),
    "blue": (0.605, 0.76, 0.88),
    "purple": (0.75, 0.58, 0.78),
    "pink": (0.92, 0.55, 0.96),
    "white": (0.12, 0.05, 0.97),
    "black": (0.66, 0.35, 0.17),
}

COLOURS: tuple[str, ...] = tuple(_HSV)
"""Names of the colours of objects."""

HUES = 8
"""The first so many `COLOURS` have a hue; `white` and `black` appear as second colours only."""


def object_colours(rng: Rng) -> tuple[Int[np.ndarray, "n 2"], Float[np.ndarray, "n 2 3"]]:
    """Two colours that differ well: their indices into `COLOURS` and their slightly varied red, green, blue."""
    first = rng.integers(HUES)
    second = np.where(rng.uniform(0, 1) < 0.6, HUES + rng.integers(2), (first + 2 + rng.integers(5)) % HUES)
    names = np.stack([first, second], axis=-1)
    return names, _varied(names, rng)


def litter_colours(count: int, rng: Rng) -> Float[np.ndarray, "n count 3"]:
    """`count` colours of the hues that objects have."""
    return _varied(rng.integers(HUES, count), rng)


def _varied(names: Int[np.ndarray, "n count"], rng: Rng) -> Float[np.ndarray, "n count 3"]:
    hsv = np.array(list(_HSV.values()), np.float32)[names]
    return rgb(hsv + rng.uniform(-1, 1, *names.shape[1:], 3) * np.array([0.012, 0.06, 0.04], np.float32))


def background_colours(count: int, rng: Rng) -> Float[np.ndarray, "n count 3"]:
    """`count` muted colours of one mood: near in hue, all dark or all light."""
    hue = rng.uniform(0, 1, 1) + rng.uniform(-0.09, 0.09, count)
    is_dark = rng.uniform(0, 1, 1) < 0.45
    value = np.where(is_dark, rng.uniform(0.14, 0.42, count), rng.uniform(0.62, 0.93, count))
    return rgb(np.stack([hue, rng.uniform(0.08, 0.36, count), value], axis=-1))


def rgb(hsv: Float[np.ndarray, "*some 3"]) -> Float[np.ndarray, "*some 3"]:
    """Red, green, blue in [0, 1] of hue, saturation, value; the hue goes round."""
    hue, saturation, value = np.moveaxis(hsv, -1, 0)
    saturation, value = np.clip(saturation, 0, 1), np.clip(value, 0, 1)
    turn = (np.stack([hue, hue + 2 / 3, hue + 1 / 3], axis=-1) % 1) * 6
    ramp = np.clip(np.abs(turn - 3) - 1, 0, 1)  # each primary is full for a third of the circle
    return (value[..., None] * (1 - saturation[..., None] * (1 - ramp))).astype(np.float32)
