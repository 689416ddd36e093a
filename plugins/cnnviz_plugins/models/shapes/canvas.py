"""What images of one object share, whatever the object: what is drawn of them, what lies behind, place and paint."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_plugins.models.shapes.backgrounds import BACKGROUNDS, Images, Paint, litter
from cnnviz_plugins.models.shapes.outlines import Plane
from cnnviz_plugins.models.shapes.rng import Rng
from cnnviz_plugins.models.shapes.textures import coverage

SIZE_PX = 64
"""Height and width of an image."""

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Kept:
    """What of some images is drawn; what is not leaves to be seen what lies behind it."""

    parts: Bool[np.ndarray, "n parts"]
    """Of the object."""
    sprinkles: Bool[np.ndarray, "n 12"]
    """Of the litter, those that the image does not have included."""
    scenery: Bool[np.ndarray, " n"]
    """Where false, another kind of scenery stands behind the same litter and object."""


def behind(backgrounds: Int[np.ndarray, " n"], numbers: Int[np.ndarray, " n"], seed: int, kept: Kept | None) -> Images:
    """Return the scenery and the litter of images with these numbers, each of its kind of background."""
    images = _scenery(backgrounds, numbers, seed, purpose=1)
    if kept is not None and not kept.scenery.all():
        other = ~kept.scenery
        images[other] = _scenery((backgrounds[other] + 1) % len(BACKGROUNDS), numbers[other], seed, purpose=4)
    return litter(images, Rng(seed, numbers.tolist(), purpose=2), None if kept is None else kept.sprinkles)


@dataclass(frozen=True)
class Place:
    """Where the object of each image is."""

    radius_px: Float[np.ndarray, "n 1 1"]
    x: Plane
    """How far each pixel lies right of the object's centre, in pixels."""
    y: Plane
    """And below it."""
    along: Plane
    """The same in the object's own axes."""
    down: Plane

    @classmethod
    def drawn(cls, pose: Rng, radii_px: tuple[float, float], turns: tuple[float, float]) -> "Place":
        """Return places that keep objects of some radius whole, turned by an angle between two."""
        radius_px = pose.uniform(*radii_px, 1, 1)
        room_px = SIZE_PX / 2 - 1 - radius_px
        turn = pose.uniform(*turns, 1, 1)
        x, y = _pixels(len(radius_px))
        x, y = x - room_px * pose.uniform(-1, 1, 1, 1), y - room_px * pose.uniform(-1, 1, 1, 1)
        return cls(radius_px, x, y, along=x * np.cos(turn) + y * np.sin(turn), down=y * np.cos(turn) - x * np.sin(turn))


def painted(images: Images, distance_px: Plane, paint: Paint, shade: Plane, shown: np.ndarray | None = None) -> Images:
    """Return images with a form on them, given by the signed distance to its outline.

    Args:
        images: What lies behind.
        distance_px: Negative inside.
        paint: Its colours.
        shade: What they are multiplied by, so that it looks solid.
        shown: Which pixels of it, or of which images, are drawn; all where not given.
    """
    rim = coverage(-distance_px - 1.2) * coverage(distance_px)
    paint = paint * shade[..., None] * (1 - 0.5 * rim)[..., None]  # a darker edge sets it off from any background
    opaque = coverage(distance_px) if shown is None else coverage(distance_px) * shown
    return images + (paint - images) * opaque[..., None]


def grained(images: Images, pose: Rng) -> Images:
    """Return images with grain, in [0, 1]."""
    grain = pose.uniform(0.005, 0.04, 1, 1, 1) * pose.normal(SIZE_PX, SIZE_PX, 3)
    return np.clip(images + grain, 0, 1)


def _pixels(count: int) -> tuple[Plane, Plane]:
    """How far each pixel of some images lies right of and below the centre."""
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX].astype(np.float32) - (SIZE_PX - 1) / 2
    return np.broadcast_to(cols, (count, *cols.shape)), np.broadcast_to(rows, (count, *rows.shape))


def _scenery(backgrounds: Int[np.ndarray, " n"], numbers: Int[np.ndarray, " n"], seed: int, purpose: int) -> Images:
    images = np.empty((len(numbers), SIZE_PX, SIZE_PX, 3), np.float32)
    for kind, draw in enumerate(BACKGROUNDS.values()):
        chosen = np.flatnonzero(backgrounds == kind)
        if chosen.size:
            images[chosen] = draw(*_pixels(len(chosen)), Rng(seed, numbers[chosen].tolist(), purpose))
    return images
