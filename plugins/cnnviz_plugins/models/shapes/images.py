"""Images of one object each, with the truth about them: what it is, where it is, and what it is made of.

Six classes are outlines in plain colour; four are textures on pebbles whose form tells nothing.
Background, litter, colour, place, size and turn are drawn alike for all classes, so what tells a
class lies on the object, and an explanation that points elsewhere is wrong. Every image has a
number; train and test images come from different seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_plugins.models.shapes.backgrounds import BACKGROUNDS
from cnnviz_plugins.models.shapes.canvas import Kept, Place, Split, behind, grained, painted
from cnnviz_plugins.models.shapes.colours import COLOURS, object_colours
from cnnviz_plugins.models.shapes.outlines import OUTLINES, Plane, blob
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import TEXTURES

CLASSES: tuple[str, ...] = (*OUTLINES, *TEXTURES)
"""Names of the classes, in the order of the network's scores."""

CONCEPTS: tuple[str, ...] = (
    *(f"shape:{name}" for name in (*OUTLINES, "blob")),
    *(f"texture:{name}" for name in (*TEXTURES, "plain")),
    *(f"colour:{name}" for name in COLOURS),
    *(f"background:{name}" for name in BACKGROUNDS),
)
"""Names of everything that a concept mask can show."""

_SEEDS: dict[Split, int] = {"train": 7_301, "test": 9_902}
_BLOCK = 128  # images drawn at once; bounds the memory in between


@dataclass(frozen=True)
class Scene:
    """One image and the truth about it."""

    image: Float[np.ndarray, "h w 3"]
    """Red, green, blue in [0, 1]."""
    label: int
    """Index of its class in `CLASSES`."""
    mask: Bool[np.ndarray, "h w"]
    """Where the object is."""
    concepts: dict[str, Bool[np.ndarray, "h w"]]
    """Where each concept of `CONCEPTS` is; those not in the image are left out."""


@dataclass(frozen=True)
class _Block:
    """Some images as arrays."""

    images: Float[np.ndarray, "n h w 3"]
    labels: Int[np.ndarray, " n"]
    masks: Bool[np.ndarray, "n h w"]
    is_second: Bool[np.ndarray, "n h w"]  # pixels in the second of the object's colours
    colours: Int[np.ndarray, "n 2"]
    backgrounds: Int[np.ndarray, " n"]


def draw_scenes(indices: Sequence[int], *, split: Split = "test") -> list[Scene]:
    """The images with these numbers; image i is of class i mod 10.

    Args:
        indices: Numbers of the images, from 0 up without end.
        split: Which family they belong to; the bundled network has seen `train` only.

    Cost: about 1.5 ms an image on one core.
    """
    images = []
    for block in _blocks(indices, split):
        for row, label in enumerate(block.labels):
            mask = block.masks[row]
            concepts = _concepts(block, row)
            images.append(Scene(block.images[row], int(label), mask, concepts))
    return images


def draw_images(
    indices: Sequence[int], *, split: Split = "test"
) -> tuple[Float[np.ndarray, "n h w 3"], Int[np.ndarray, " n"]]:
    """Images and labels of the images with these numbers, as `draw_scenes` gives them, for training."""
    blocks = _blocks(indices, split)
    return np.concatenate([block.images for block in blocks]), np.concatenate([block.labels for block in blocks])


def draw_kept(indices: Sequence[int], kept: Kept, *, split: Split = "test") -> Float[np.ndarray, "n h w 3"]:
    """The images with these numbers, drawn from the same random numbers with only a part of what they show.

    Cost: about 1.5 ms an image on one core.
    """
    blocks = [
        _draw(indices[part], _SEEDS[split], Kept(kept.parts[part], kept.sprinkles[part], kept.scenery[part]))
        for part in (slice(start, start + _BLOCK) for start in range(0, len(indices), _BLOCK))
    ]
    return np.concatenate([block.images for block in blocks])


def _blocks(indices: Sequence[int], split: Split) -> list[_Block]:
    return [_draw(indices[start : start + _BLOCK], _SEEDS[split]) for start in range(0, len(indices), _BLOCK)]


def _draw(indices: Sequence[int], seed: int, kept: Kept | None = None) -> _Block:
    numbers, pose = np.array(indices), Rng(seed, indices, purpose=0)
    labels, backgrounds = numbers % len(CLASSES), pose.integers(len(BACKGROUNDS))
    images = behind(backgrounds, numbers, seed, kept)
    place = Place.drawn(pose, (12, 22), (0, 2 * np.pi))
    distance_px, second = _object(place, labels, numbers, seed)

    names, colours = object_colours(pose)
    first_paint, second_paint = colours[:, 0, None, None], colours[:, 1, None, None]
    paint = first_paint + (second_paint - first_paint) * second[..., None]
    light = pose.uniform(0, 2 * np.pi, 1, 1)
    slope = (place.x * np.cos(light) + place.y * np.sin(light)) / place.radius_px
    shown = None if kept is None else kept.parts[np.arange(len(numbers))[:, None, None], _quarter(place)]
    images = grained(painted(images, distance_px, paint, 1 + 0.16 * slope, shown), pose)
    masks = distance_px <= 0
    return _Block(images, labels, masks, masks & (second > 0.5), names, backgrounds)


def _quarter(place: Place) -> Int[np.ndarray, "n h w"]:
    """In which quarter of the object's own plane each pixel lies: 0 and 1 below, 2 and 3 above, turning clockwise."""
    is_right = place.along >= 0
    return np.where(place.down >= 0, np.where(is_right, 0, 1), np.where(is_right, 3, 2))


def _object(
    place: Place, labels: Int[np.ndarray, " n"], numbers: Int[np.ndarray, " n"], seed: int
) -> tuple[Plane, Plane]:
    """Signed distance to each object's outline, in pixels, and its share of the second colour."""
    distance_px, second = np.empty_like(place.along), np.zeros_like(place.along)
    for label in np.unique(labels):
        chosen = np.flatnonzero(labels == label)
        right, below, radius, name = place.along[chosen], place.down[chosen], place.radius_px[chosen], CLASSES[label]
        if name in OUTLINES:
            distance_px[chosen] = OUTLINES[name](right / radius, below / radius) * radius
        else:
            rng = Rng(seed, numbers[chosen].tolist(), purpose=3)
            distance_px[chosen] = blob(right / radius, below / radius, rng) * radius
            second[chosen] = TEXTURES[name](right, below, rng)
    return distance_px, second


def _concepts(block: _Block, row: int) -> dict[str, Bool[np.ndarray, "h w"]]:
    name, mask = CLASSES[block.labels[row]], block.masks[row]
    first, second = (COLOURS[colour] for colour in block.colours[row])
    found = {
        f"shape:{name if name in OUTLINES else 'blob'}": mask,
        f"texture:{name if name in TEXTURES else 'plain'}": mask,
        f"colour:{first}": mask & ~block.is_second[row],
        f"colour:{second}": mask & block.is_second[row],
        f"background:{tuple(BACKGROUNDS)[block.backgrounds[row]]}": ~mask,
    }
    return {concept: where for concept, where in found.items() if where.any()}
