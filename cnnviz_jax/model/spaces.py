"""Inputs with other than two spatial axes, held as images: vectors, series and volumes.

Everything inside works on images (h, w, c). A vector of k numbers is held as (1, k, 1), a series (t, c) as (1, t, c), a
volume (d, h, w, c) as (d * h, w, c), slice below slice. Public functions take and return the user's own axes.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Shaped

Arrays = Array | np.ndarray

_WORDS = {1: "a vector", 2: "a series", 4: "a volume"}


@dataclass(frozen=True)
class Space:
    """The axes of one input as the user has them."""

    shape: tuple[int, ...]
    """(k,), (t, c) or (d, h, w, c)."""

    @property
    def spatial(self) -> tuple[int, ...]:
        """Lengths of the spatial axes; the entries of a vector count as places."""
        return self.shape if len(self.shape) == 1 else self.shape[:-1]

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the spatial axes, then the channels: (k, 1) of a vector, else `shape`."""
        return (*self.spatial, self.image[2])

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels as it is held."""
        if len(self.shape) == 1:
            return 1, self.shape[0], 1
        return prod(self.spatial[:-1]), self.spatial[-1], self.shape[-1]

    @property
    def words(self) -> str:
        """What it is called in messages."""
        return _WORDS[len(self.shape)]

    def held(self, inputs: Shaped[Arrays, "n ..."]) -> Shaped[Arrays, "n h w c"]:
        """Return inputs (n, *shape) as images (n, h, w, c); what is held so already, and what fits neither, is kept."""
        return inputs.reshape(-1, *self.image) if inputs.shape[1:] == self.shape else inputs

    def own(self, images: Shaped[Arrays, "*n h w c"]) -> Shaped[Arrays, "..."]:
        """Return images (*n, h, w, c) as the user has them, (*n, *shape)."""
        return images.reshape(*images.shape[:-3], *self.shape)

    def own_map(
        self, values: Shaped[Arrays, "n h w *c"], volume: tuple[int, int, int] | None = None
    ) -> Shaped[Arrays, "..."]:
        """Return maps (n, h, w) or (n, h, w, c) with the user's spatial axes.

        Args:
            values: Maps of the input, of a layer, or of any other grid.
            volume: Depth, height and width of the layer's map that they may be of, in a volume.
        """
        rest = values.shape[3:]
        if len(self.shape) < 3:
            rest = rest if len(self.shape) == 2 or rest != (1,) else ()
            return values.reshape(len(values), values.shape[2], *rest) if values.shape[1] == 1 else values
        for space in (self.spatial, volume):
            if space is not None and values.shape[1:3] == (space[0] * space[1], space[2]):
                return values.reshape(len(values), *space, *rest)
        return values

    def held_map(self, values: Shaped[Arrays, "..."]) -> Shaped[Arrays, "..."]:
        """Return maps with the user's spatial axes, (n, *spatial) or (n, *spatial, c), as (n, h, w) or (n, h, w, c)."""
        if values.shape[1 : 1 + len(self.spatial)] != self.spatial:
            return values
        return values.reshape(len(values), *self.image[:2], *values.shape[1 + len(self.spatial) :])

    def flat(self, images: Shaped[Arrays, "n h w c"]) -> Shaped[Arrays, "..."]:
        """Return images as results hold them: with the user's axes."""
        return self.own(images)

    def packed(self, inputs: Any) -> Any:
        """Return inputs as they are; only several are put together."""
        return inputs


def space_of(input_shape: tuple[int, ...]) -> Space | None:
    """Return how inputs of that shape are held; `None` for images, which are held as they are."""
    return None if len(input_shape) == 3 else Space(tuple(input_shape))


def own_axes(found: Any, space: Any, volume: tuple[int, int, int] | None) -> Any:
    """Return arrays of maps, one row per input, with the user's spatial axes; what is no map is left as it is."""
    if space is None:
        return found
    return jax.tree.map(lambda leaf: space.own_map(leaf, volume) if np.ndim(leaf) > 2 else leaf, found)
