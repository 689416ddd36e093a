"""The mean colour of the parts of images that fire a unit most."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import Facts, LayerCase, Part, Tile, Tiles


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows a unit's colour: called once for a layer, and what it returns once for each of its units."""
    found = case.results["exemplars"]

    def of(unit: int) -> list[Part]:
        entries = zip(found.id[unit], found.box[unit], strict=True)
        crops = [case.tile(int(number), box).pixels for number, box in entries if number >= 0]
        if not crops:
            return []
        colour = np.mean([crop.mean((0, 1)) for crop in crops], 0)
        patch = Tile(pixels=np.tile(colour.round().astype(np.uint8), (8, 8, 1)), alt="mean colour")
        return [Tiles(tiles=[patch]), Facts(rows=list(zip(("red", "green", "blue"), colour / 255, strict=True)))]

    return of
