"""Images of `shapes` by their parts: the four quarters of the object, the sprinkles, and the scenery.

Only the quarters tell of the class.
"""

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_plugins.models.shapes.images import CLASSES, Kept, Split, draw_kept
from cnnviz_plugins.models.shapes.parted import PartedImage

QUARTERS = 4
"""The first so many parts are the object's."""


def parted(index: int, *, split: Split = "test") -> PartedImage:
    """Return the image with this number, as `draw_scenes` counts, by its parts.

    Cost: 17 drawings, some 25 ms on one core.
    """

    def draw(
        quarters: Bool[np.ndarray, "m 4"], sprinkles: Bool[np.ndarray, "m 12"], scenery: Bool[np.ndarray, " m"]
    ) -> Float[np.ndarray, "m h w 3"]:
        return draw_kept([index] * len(quarters), Kept(quarters, sprinkles, scenery), split=split)

    own = tuple(f"quarter {number + 1}" for number in range(QUARTERS))
    return PartedImage.of(draw, own, index % len(CLASSES))
