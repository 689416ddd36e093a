"""The images that fire a unit most, each as the part that the unit sees."""

from collections.abc import Callable

from cnnviz_jax.plugin import Exemplars, Facts, LayerCase, Part, Tiles


def build(case: LayerCase) -> Callable[[int], list[Part]]:
    """Return what shows a unit's strongest images, and in how many it fires."""
    found: Exemplars = case.results["exemplars"]

    def of(unit: int) -> list[Part]:
        entries = [rank for rank in range(found.id.shape[1]) if found.id[unit, rank] >= 0]
        tiles = [
            case.tile(
                int(found.id[unit, rank]),
                found.box[unit, rank],
                found.value[unit, rank],
                of=f"strongest image {rank + 1}:",
            )
            for rank in entries
        ]
        rows = [
            (f"images with a value above {found.threshold:g}", found.fired[unit]),
            ("images read", found.image_count),
        ]
        return [Tiles(tiles=tiles), Facts(rows=rows)]

    return of
