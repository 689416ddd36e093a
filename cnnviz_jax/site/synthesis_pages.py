"""Images made to excite units, in a site: some neighbours in one sheet, with what each reaches beside the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.synthesis import Synthesis
from cnnviz_jax.site.case import Detail
from cnnviz_jax.site.folder import SiteFolder
from cnnviz_jax.site.sheets import Sheets, as_bytes, shrunk

_PX: dict[Detail, int] = {"full": 160, "light": 64}
_BYTES_PER_UNIT = 15_000


def parsed(text: str) -> int | None:
    """Return how many units of each layer get an image: 0 for `none`, `None` for `all`, N for `top:N`.

    Raises:
        UsageError: It is none of these.
    """
    if text == "none":
        return 0
    if text == "all":
        return None
    word, _, number = text.partition(":")
    if word != "top" or not number.isdigit() or int(number) < 1:
        raise UsageError(f"synthesis is none, top:N such as top:8, or all, got {text!r}")
    return int(number)


def chosen_units(columns: Mapping[str, Sequence[Any]], units: int, most: int | None) -> list[int]:
    """Return the units of a layer that get an image, rising.

    Of `top:N` those that fire at all and answer to one class most selectively; without labels, those whose maximum is
    largest.
    """
    alive = [unit for unit in range(units) if columns.get("state", [""] * units)[unit] != "dead"]
    if most is None or most >= len(alive):
        return alive
    rank = np.array(columns.get("selectivity") or columns.get("maximum") or [0] * units, float)
    return sorted(sorted(alive, key=lambda unit: (-rank[unit], unit))[:most])


def groups_of(units: Sequence[int], per_sheet: int) -> dict[int, list[int]]:
    """Return the units by the sheet that they stand in."""
    found: dict[int, list[int]] = {}
    for unit in units:
        found.setdefault(unit // per_sheet, []).append(unit)
    return found


def write_synthesis(
    folder: SiteFolder, slug: str, group: int, units: Sequence[int], made: Synthesis, maxima: Sequence[float | None],
    detail: Detail, paths: Sequence[Mapping[str, Any] | None],
) -> None:  # fmt: skip
    """Write the images of some units of one sheet.

    Args:
        folder: The site.
        slug: The layer's.
        group: Number of the sheet.
        units: The units, in the order of `made`.
        made: Their images.
        maxima: What each unit reaches on the data set.
        detail: Decides the images' size.
        paths: How alike layers hold each and real images; `None` where they cannot be compared.
    """
    images = [as_bytes(np.asarray(image)) for image in made.images]
    tiles = [shrunk(pixels, _PX[detail] / max(pixels.shape)) for pixels in images]
    sheets = Sheets()
    places = sheets.write(folder.tiles / f"{slug}-s{group}", tiles, most_bytes=_BYTES_PER_UNIT * len(tiles))
    # How high the unit gets anywhere, which is what its maximum on the data set is, too; the objective is a mean.
    peaks = np.asarray(made.extras.get("peak", made.activation))
    pages = {}
    for place, (unit, maximum) in enumerate(zip(units, maxima, strict=True)):
        ratio = float(peaks[place]) / maximum if maximum is not None and maximum > 0 else None
        pages[unit] = {
            "at": places[place],
            "status": made.status[place],
            "objective": np.asarray(made.activation)[place],
            "peak": peaks[place],
            "maximum": maximum,
            "ratio": ratio,
            "path": paths[place],
        }
    folder.write(f"{slug}-s{group}", {"sheets": sheets.files, "units": pages, "technique": made.provenance.technique})
