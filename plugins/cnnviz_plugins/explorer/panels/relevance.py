"""The images in which most relevance for the class that is answered went through a unit, beside those it fires on."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Exemplars, Facts, LayerCase, Part, Text, Tiles
from cnnviz_plugins.explorer.panels.exemplars import tiles_of


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows the images in which a unit mattered most, each as the part that the unit sees."""
    found: Exemplars = case.results["relevance-maximization"]

    def of(unit: int) -> list[Part]:
        if not np.any(found.value[unit, found.id[unit] >= 0] > 0):
            return [Text(text="No relevance went through it, in any image.")]
        tiles = tiles_of(case, found, unit, "image {} by relevance:")
        return [Tiles(tiles=tiles), Facts(rows=[("images read", found.image_count)])]

    return of
