"""Images of one figure each, any part of which can be left out: the image is drawn again from the same random numbers.

Scenery, litter and colours are those of `shapes`, and tell nothing of the class. A figure stands nearly upright; its
body is in every image, and covers litter; its parts lie over both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_plugins.models.figures.classes import CODES, SLOTS, VARIANTS
from cnnviz_plugins.models.figures.forms import FORMS
from cnnviz_plugins.models.shapes.backgrounds import BACKGROUNDS, SPRINKLES, Images, litter
from cnnviz_plugins.models.shapes.colours import litter_colours
from cnnviz_plugins.models.shapes.images import SIZE_PX, Split, pixels, scenery
from cnnviz_plugins.models.shapes.outlines import Plane
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import TEXTURES, coverage

_SEEDS: dict[Split, int] = {"train": 41_203, "test": 58_411}
_BODY = 0.46
_SLOT_AT, _PART = 0.72, 0.29
"""How far from the centre a slot is, and how large a part, in radii of the figure."""
_SHRUNK = 0.7
"""Textures are as on `shapes`, so much smaller."""


@dataclass(frozen=True)
class KeptFigures:
    """What of some images is drawn."""

    parts: Bool[np.ndarray, "n 5"]
    """In the order of `SLOTS`."""
    sprinkles: Bool[np.ndarray, "n 12"]
    scenery: Bool[np.ndarray, " n"]
    """Where false, another kind of scenery stands behind."""

    @classmethod
    def everything(cls, count: int) -> "KeptFigures":
        """Return that all is drawn."""
        return cls(np.ones((count, len(SLOTS)), bool), np.ones((count, SPRINKLES), bool), np.ones(count, bool))


def draw_figures(
    indices: Sequence[int], kept: KeptFigures | None = None, *, split: Split = "test"
) -> tuple[Float[np.ndarray, "n h w 3"], Int[np.ndarray, " n"]]:
    """Return the images with these numbers, image i of class i mod 20, and their classes.

    Args:
        indices: Numbers of the images, from 0 up without end.
        kept: What of them is drawn; everything where not given.
        split: Which of two families of random numbers.

    Cost: about 2 ms an image on one core.
    """
    numbers, seed = np.array(indices), _SEEDS[split]
    kept = kept or KeptFigures.everything(len(numbers))
    labels, pose = numbers % len(CODES), Rng(seed, indices, purpose=0)
    backgrounds = pose.integers(len(BACKGROUNDS))
    images = scenery(backgrounds, numbers, seed)
    if not kept.scenery.all():
        other = ~kept.scenery
        images[other] = scenery((backgrounds[other] + 1) % len(BACKGROUNDS), numbers[other], seed, purpose=4)
    images = litter(images, Rng(seed, indices, purpose=2), kept.sprinkles)

    radius_px = pose.uniform(23, 28, 1, 1)
    room_px = SIZE_PX / 2 - 1 - radius_px
    turn = pose.uniform(-0.3, 0.3, 1, 1)
    x, y = pixels(len(numbers))
    x, y = x - room_px * pose.uniform(-1, 1, 1, 1), y - room_px * pose.uniform(-1, 1, 1, 1)
    along, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    light = pose.uniform(0, 2 * np.pi, 1, 1)
    shade = 1 + 0.16 * (x * np.cos(light) + y * np.sin(light)) / radius_px
    colours = litter_colours(len(SLOTS) + 1, pose)

    images = _painted(images, (np.hypot(along, down) / radius_px - _BODY) * radius_px, colours[:, -1], shade)
    for slot, name in enumerate(SLOTS):
        angle = 2 * np.pi * slot / len(SLOTS)
        side = along * np.cos(angle) + down * np.sin(angle)
        out = along * np.sin(angle) - down * np.cos(angle) - _SLOT_AT * radius_px
        distance_px, second = _part(name, side, out, _PART * radius_px, CODES[labels, slot], numbers, seed)
        paint = colours[:, slot, None, None] * (1 - 0.75 * second[..., None])
        images = _painted(images, distance_px, paint, shade, kept.parts[:, slot])
    grain = pose.uniform(0.005, 0.04, 1, 1, 1) * pose.normal(SIZE_PX, SIZE_PX, 3)
    return np.clip(images + grain, 0, 1).astype(np.float32), labels


def _painted(
    images: Images, distance_px: Plane, paint: np.ndarray, shade: Plane, shown: Bool[np.ndarray, " n"] | None = None
) -> Images:
    """Return images with a form on them, in a paint or a colour, set off by a darker rim."""
    paint = (paint if paint.ndim == 4 else paint[:, None, None]) * shade[..., None]
    rim = coverage(-distance_px - 1.2) * coverage(distance_px)
    opaque = coverage(distance_px) if shown is None else coverage(distance_px) * shown[:, None, None]
    return images + (paint * (1 - 0.5 * rim)[..., None] - images) * opaque[..., None]


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
