"""Images below the maximum: what a unit answers to on most days."""

from collections.abc import Callable

from cnnviz_jax.plugin import Exemplars, LayerCase, Part, Text, Tiles


def build(case: LayerCase) -> Callable[[int], list[Part]] | None:
    """Return what shows images at the levels below a unit's maximum; nothing in a light site."""
    found: Exemplars = case.results["exemplars"]
    if case.detail == "light" or found.level_id is None or found.level_value is None or found.level_box is None:
        return None
    quantile, value, ids, box = found.level_quantile, found.level_value, found.level_id, found.level_box
    note = (
        "The strongest images alone mislead. Here the unit's largest value on an image comes nearest to that quantile"
        f" of its largest values on {found.sampled} images."
    )

    def of(unit: int) -> list[Part]:
        parts: list[Part] = [Text(text=note)]
        for column, share in enumerate(found.levels):
            tiles = [
                case.tile(int(number), place, reached, of=f"{share:.0%} level:")
                for number, place, reached in zip(
                    ids[unit, column], box[unit, column], value[unit, column], strict=True
                )
                if number >= 0
            ]
            if tiles and quantile is not None:
                parts.append(Tiles(tiles=tiles, title=f"{share:.0%}, at {quantile[unit, column]:.4g}"))
        return parts if len(parts) > 1 else []

    return of
