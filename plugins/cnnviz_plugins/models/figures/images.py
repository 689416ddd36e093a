"""Images of one figure each, any part of which can be left out: the image is drawn again from the same random numbers.

Scenery, litter and colours are those of `shapes`, and tell nothing of the class. A figure stands nearly upright; its
body is in every image, and covers litter; its parts lie over both.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cnnviz_plugins.models.figures.classes import CODES, SLOTS, VARIANTS
from cnnviz_plugins.models.figures.forms import FORMS
from cnnviz_plugins.models.shapes.backgrounds import BACKGROUNDS
from cnnviz_plugins.models.shapes.canvas import Kept, Place, Split, behind, grained, painted
from cnnviz_plugins.models.shapes.colours import litter_colours
from cnnviz_plugins.models.shapes.outlines import Plane
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import TEXTURES

_SEEDS: dict[Split, int] = {"train": 41_203, "test": 58_411}
_BODY = 0.46
_SLOT_AT, _PART = 0.72, 0.29
"""How far from the centre a slot is, and how large a part, in radii of the figure."""
_SHRUNK = 0.7
"""Textures are as on `shapes`, so much smaller."""


def draw_figures(
    indices: Sequence[int], kept: Kept | None = None, *, split: Split = "test"
) -> tuple[Float[np.ndarray, "n h w 3"], Int[np.ndarray, " n"]]:
    """Return the images with these numbers, image i of class i mod 20, and their classes.

    Args:
        indices: Numbers of the images, from 0 up without end.
        kept: What of them is drawn, parts in the order of `SLOTS`; everything where not given.
        split: Which of two families of random numbers.

    Cost: about 2 ms an image on one core.
    """
    numbers, seed = np.array(indices), _SEEDS[split]
    labels, pose = numbers % len(CODES), Rng(seed, indices, purpose=0)
    images = behind(pose.integers(len(BACKGROUNDS)), numbers, seed, kept)
    place = Place.drawn(pose, (23, 28), (-0.3, 0.3))
    along, down, radius_px = place.along, place.down, place.radius_px
    light = pose.uniform(0, 2 * np.pi, 1, 1)
    shade = 1 + 0.16 * (place.x * np.cos(light) + place.y * np.sin(light)) / radius_px
    colours = litter_colours(len(SLOTS) + 1, pose)[:, :, None, None]

    images = painted(images, (np.hypot(along, down) / radius_px - _BODY) * radius_px, colours[:, -1], shade)
    for slot, name in enumerate(SLOTS):
        angle = 2 * np.pi * slot / len(SLOTS)
        side = along * np.cos(angle) + down * np.sin(angle)
        out = along * np.sin(angle) - down * np.cos(angle) - _SLOT_AT * radius_px
        distance_px, second = _part(name, side, out, _PART * radius_px, CODES[labels, slot], numbers, seed)
        shown = None if kept is None else kept.parts[:, slot, None, None]
        images = painted(images, distance_px, colours[:, slot] * (1 - 0.75 * second[..., None]), shade, shown)
    return grained(images, pose).astype(np.float32), labels


def _part(
    slot: str,
    side: Plane,
    out: Plane,
    size_px: Float[np.ndarray, "n 1 1"],
    variants: Int[np.ndarray, " n"],
    numbers: Int[np.ndarray, " n"],
    seed: int,
) -> tuple[Plane, Plane]:
    """Signed distance to each part's outline, in pixels, and its share of the darker colour."""
    distance_px, second = np.empty_like(side), np.zeros_like(side)
    for variant in np.unique(variants):
        chosen = np.flatnonzero(variants == variant)
        right, outwards, size, name = side[chosen], out[chosen], size_px[chosen], VARIANTS[slot][variant]
        distance_px[chosen] = FORMS[name if name in FORMS else "circle"](right / size, outwards / size) * size
        if name in TEXTURES:
            rng = Rng(seed, numbers[chosen].tolist(), purpose=3)
            second[chosen] = TEXTURES[name](right / _SHRUNK, outwards / _SHRUNK, rng)
    return distance_px, second
