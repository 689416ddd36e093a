"""The pages of one layer: its units' data, their sheets of tiles, and the grid of all units."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.foreign import code_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import PanelSpec
from cnnviz_jax.results.units import Distributions, Exemplars
from cnnviz_jax.site.case import Detail, LayerCase
from cnnviz_jax.site.folder import UNITS_PER_FILE, SiteFolder
from cnnviz_jax.site.parts import Packed, packed, write_tiles
from cnnviz_jax.site.sheets import NOTHING, Sheets, write_thumbs

_BYTES_PER_UNIT: dict[Detail, int] = {"full": 15_000, "light": 4_500}
_THUMB_PX = 32
_THUMB_BYTES = 24_000
_SPARK = 24
_SMALL = 300

Panel = tuple[PanelSpec, Callable[[int], Any]]


def panels_at(registry: Plugins, panels: Sequence[tuple[PanelSpec, LayerCase]]) -> list[Panel]:
    """Return the panels that have something to show at a layer, with the function of a unit that each built."""
    found = []
    for spec, case in panels:
        with code_of(registry, "panel", spec):
            built = load(spec.build)(case)
        if built is not None:
            found.append((spec, built))
    return found


def write_layer(
    folder: SiteFolder, slug: str, case: LayerCase, panels: Sequence[Panel], registry: Plugins, results: Sequence[Any],
    per_sheet: int,
) -> dict[str, Any]:  # fmt: skip
    """Write all files of a layer and return its row for the summary; the last file is the layer's own.

    Args:
        folder: The site.
        slug: Begins the names of the layer's files.
        case: The layer.
        panels: What `panels_at` built.
        registry: Knows whose panels these are.
        results: Of all surveys at the layer.
        per_sheet: Units that share a sheet of tiles.
    """
    units, most_bytes = case.layer.channels, per_sheet * _BYTES_PER_UNIT[case.detail]
    for first in range(0, units, UNITS_PER_FILE):
        sheets = Sheets()
        pages: dict[int, Any] = {}
        for begin in range(first, min(first + UNITS_PER_FILE, units), per_sheet):
            group = range(begin, min(begin + per_sheet, units))
            made = {unit: _unit(panels, unit, registry) for unit in group}
            tiles = [tile for sections in made.values() for _, one in sections for tile in one.tiles]
            if tiles:
                write_tiles(sheets, folder.tiles / f"{slug}-{begin // per_sheet}", tiles, most_bytes=most_bytes)
            pages |= {unit: {spec.name: one.parts for spec, one in sections} for unit, sections in made.items()}
        folder.write(f"{slug}-u{first // UNITS_PER_FILE}", {"sheets": sheets.files, "units": pages})
    found = {"columns": _columns(results), **_thumbs(folder, slug, case, results)}
    folder.write(slug, {"name": case.layer.name, "units": units, **found})
    return _facts(found["columns"])


def _unit(panels: Sequence[Panel], unit: int, registry: Plugins) -> list[tuple[PanelSpec, Packed]]:
    found = []
    for spec, built in panels:
        with code_of(registry, "panel", spec):
            given = built(unit)
        if given:
            found.append((spec, packed(given, f"panel {spec.name!r}")))
    return found


def _one(results: Sequence[Any], kind: type) -> Any:
    return next((result for result in results if isinstance(result, kind)), None)


def _columns(results: Sequence[Any]) -> dict[str, Any]:
    """Return what the grid sorts and filters by, one entry per unit each."""
    exemplars, spread = _one(results, Exemplars), _one(results, Distributions)
    columns: dict[str, Any] = {}
    if exemplars is not None and exemplars.value.shape[1]:
        columns["maximum"] = exemplars.value[:, 0]
    if spread is not None:
        state = dict.fromkeys(spread.saturated, "saturated") | dict.fromkeys(spread.always_on, "always on")
        state |= dict.fromkeys(spread.dead, "dead")
        twins = {unit: place for place, group in enumerate(spread.twins) for unit in group}
        columns |= {
            "fire_rate": spread.fire_rate,
            "state": [state.get(unit, "") for unit in range(len(spread.mean))],
            "twin": [twins.get(unit, -1) for unit in range(len(spread.mean))],
        }
        if len(spread.mean) > 2:
            columns["map"] = np.round(unit_map(spread.correlation), 4)
    told = next((each for each in (exemplars, spread) if each is not None and each.class_means is not None), None)
    if told is not None:
        columns |= {"selectivity": told.selectivity, "class": told.class_means.argmax(0)}
        columns["class"] = np.where(told.class_means.max(0) > 0, columns["class"], -1)
    return columns


def unit_map(correlation: Float[np.ndarray, "c c"]) -> Float[np.ndarray, "c 2"]:
    """Return a place in the plane for every unit: units that answer alike lie near one another.

    The two principal components of the units' standardised answers, from their correlations; of each, the entry of the
    largest size is positive.
    """
    values, vectors = _two_main(np.asarray(correlation, np.float64))
    found = vectors * np.sqrt(np.maximum(values, 0))
    largest = found[np.abs(found).argmax(0), np.arange(found.shape[1])]
    signed: np.ndarray = found * np.where(largest < 0, -1, 1)
    return signed


def _two_main(matrix: Float[np.ndarray, "c c"]) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, "c 2"]]:
    """Return the two largest eigenvalues of a symmetric matrix and their vectors, the largest first."""
    if len(matrix) > _SMALL:
        # All 2,048 vectors of a wide layer take seconds, two of them by Lanczos' method hundredths. A given start makes
        # it the same in every run.
        try:
            values, vectors = eigsh(matrix, k=2, v0=np.cos(np.arange(len(matrix))))
            return values[::-1], vectors[:, ::-1]
        except ArpackNoConvergence:
            pass  # eigenvalues that lie too near one another; the way below needs none apart
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:2], vectors[:, ::-1][:, :2]


def _thumbs(folder: SiteFolder, slug: str, case: LayerCase, results: Sequence[Any]) -> dict[str, Any]:
    """Write the units' best crops, small, and return where each is."""
    exemplars = _one(results, Exemplars)
    if exemplars is None:
        return {"thumbs": [], "at": []}
    strongest = zip(exemplars.id[:, 0].tolist(), exemplars.box[:, 0], strict=True)
    tiles = (NOTHING if number < 0 else case.tile(number, box).pixels for number, box in strongest)
    return write_thumbs(folder.tiles / f"{slug}-t", tiles, longest_px=_THUMB_PX, most_bytes=_THUMB_BYTES)


def _facts(columns: dict[str, Any]) -> dict[str, Any]:
    """Return what the page of the network says of a layer."""
    facts: dict[str, Any] = {"is_done": True}
    if "fire_rate" in columns:
        rates = np.sort(columns["fire_rate"])
        at = np.linspace(0, len(rates) - 1, min(_SPARK, len(rates))).round().astype(int)
        facts |= {
            "dead": sum(state == "dead" for state in columns["state"]),
            "twins": sum(group >= 0 for group in columns["twin"]),
            "rates": np.round(rates[at], 4),
        }
    return facts
