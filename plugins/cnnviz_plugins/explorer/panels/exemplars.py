"""The images that fire a unit most, each as the part that the unit sees."""

from collections.abc import Callable

from cnnviz_jax.plugin import Exemplars, Facts, LayerCase, Part, Tile, Tiles


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows a unit's strongest images, and in how many it fires."""
    found: Exemplars = case.results["exemplars"]

    def of(unit: int) -> list[Part]:
        tiles = tiles_of(case, found, unit, "strongest image {}:")
        rows = [
            (f"images with a value above {found.threshold:g}", found.fired[unit]),
            ("images read", found.image_count),
        ]
        return [Tiles(tiles=tiles), Facts(rows=rows)]

    return of


def tiles_of(case: LayerCase, found: Exemplars, unit: int, words: str) -> list[Tile]:
    """Return a unit's images as tiles, the first one first; `{}` in the words stands for its rank."""
    return [
        case.tile(int(number), box, value, of=words.format(rank))
        for rank, (number, box, value) in enumerate(
            zip(found.id[unit], found.box[unit], found.value[unit], strict=True), 1
        )
        if number >= 0
    ]
