"""The images in which most relevance for the class that is answered went through a unit, beside those it fires on."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Exemplars, Facts, LayerCase, Part, Text, Tiles


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows the images in which a unit mattered most, each as the part that the unit sees."""
    found: Exemplars = case.results["relevance-maximization"]

    def of(unit: int) -> list[Part]:
        entries = [rank for rank in range(found.id.shape[1]) if found.id[unit, rank] >= 0]
        if not entries or not np.any(found.value[unit, entries] > 0):
            return [Text(text="No relevance went through it, in any image.")]
        tiles = [
            case.tile(
                int(found.id[unit, rank]),
                found.box[unit, rank],
                found.value[unit, rank],
                of=f"image {rank + 1} by relevance:",
            )
            for rank in entries
        ]
        return [Tiles(tiles=tiles), Facts(rows=[("images read", found.image_count)])]

    return of
