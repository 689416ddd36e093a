"""An image by its parts, each of which can be taken away exactly: the image is drawn again without it.

Parts are those of its object, every sprinkle that shows, and the scenery, whose removal is another scenery. What lay
behind a part is then seen; nothing is filled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_plugins.models.shapes.backgrounds import SPRINKLES
from cnnviz_plugins.models.shapes.canvas import Kept

Draw = Callable[[Kept], Float[np.ndarray, "m h w 3"]]
"""Draws one image several times, each with what of it is kept."""

_SEEN = 1 / 255
"""A part shows where its removal changes a value by more than this."""


@dataclass(frozen=True)
class PartedImage:
    """An image and its parts: those of the object first, sprinkles next, the scenery last."""

    image: Float[np.ndarray, "h w 3"]
    label: int
    own: tuple[str, ...]
    """Names of the object's parts."""
    sprinkles: tuple[int, ...]
    """Which of the dozen of the litter show."""
    masks: Bool[np.ndarray, "parts h w"]
    """Where each part shows; the scenery's is what no other part has."""
    draw: Draw

    @classmethod
    def of(cls, draw: Draw, own: tuple[str, ...], label: int) -> "PartedImage":
        """Return the image that a function draws, by its parts.

        Cost: a drawing for each part of the object, twelve for the sprinkles, and one.
        """
        count = len(own) + SPRINKLES
        kept = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
        whole, *without = draw(Kept(kept[:, : len(own)], kept[:, len(own) :], np.ones(len(kept), bool)))
        shown = np.abs(np.stack(without) - whole).max(-1) > _SEEN
        sprinkles = tuple(int(number) for number in np.flatnonzero(shown[len(own) :].any((1, 2))))
        found = shown[[*range(len(own)), *(len(own) + number for number in sprinkles)]]
        return cls(whole, label, own, sprinkles, np.concatenate([found, ~found.any(0)[None]]), draw)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each part."""
        return (*self.own, *(f"sprinkle {number + 1}" for number in self.sprinkles), "scenery")

    def redrawn(self, kept: Bool[np.ndarray, "m parts"]) -> Float[np.ndarray, "m h w 3"]:
        """Return the image with only the kept parts, one for each row.

        Cost: about 2 ms an image on one core.
        """
        sprinkles = np.ones((len(kept), SPRINKLES), bool)
        sprinkles[:, list(self.sprinkles)] = kept[:, len(self.own) : -1]
        return self.draw(Kept(kept[:, : len(self.own)], sprinkles, kept[:, -1]))
