"""Figures by their parts: what each slot holds, the sprinkles, and the scenery.

Only what the slots hold tells of the class, and no part alone tells it: most classes take three.
"""

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_plugins.models.figures.classes import CODES, SLOTS
from cnnviz_plugins.models.figures.images import KeptFigures, draw_figures
from cnnviz_plugins.models.shapes.images import Split
from cnnviz_plugins.models.shapes.parted import PartedImage


def parted_figure(index: int, *, split: Split = "test") -> PartedImage:
    """Return the image with this number, as `draw_figures` counts, by its parts.

    Cost: 18 drawings, some 40 ms on one core.
    """

    def draw(
        parts: Bool[np.ndarray, "m 5"], sprinkles: Bool[np.ndarray, "m 12"], scenery: Bool[np.ndarray, " m"]
    ) -> Float[np.ndarray, "m h w 3"]:
        return draw_figures([index] * len(parts), KeptFigures(parts, sprinkles, scenery), split=split)[0]

    return PartedImage.of(draw, SLOTS, index % len(CODES))
