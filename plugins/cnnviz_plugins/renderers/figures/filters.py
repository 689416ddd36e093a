"""Filter grids: the first layer in colour, deeper layers one tile per input channel, always numbered."""

import math

from matplotlib.figure import Figure

from cnnviz_jax.plugin import FilterBank
from cnnviz_plugins.renderers.figures.sheet import EDGE, Sheet
from cnnviz_plugins.renderers.kernels import FilterTiles, filter_tiles
from cnnviz_plugins.renderers.options import FilterOptions

_GAP, _TILE, _NUMBER = 0.08, 0.62, 0.14


def filters_figure(bank: FilterBank, options: FilterOptions) -> Figure:
    """Return the grid of filters with their numbers, the scale and the caveat in the caption."""
    shown = filter_tiles(bank, options)
    count, per = len(shown.numbers), shown.per_filter
    height, width = shown.tiles[0].shape[:2]
    tile_h = _TILE * min(max(height / width, 0.3), 3.0)
    # One cell holds one filter: a single tile, or a strip of one tile per input channel.
    cell_w = _TILE if per == 1 else per * 0.3
    cell_h = tile_h if per == 1 else 0.3 * height / width
    number_w = 0.0 if per == 1 else 0.32
    columns = min(count, 12) if per == 1 else 1 if cell_w > 3.2 else 2
    rows = math.ceil(count / columns)
    signed = shown.colormap is not None and options.scale == "shared"
    sheet_w = max(2 * EDGE + columns * (cell_w + number_w + _GAP) + (0.9 if signed else 0), 5.6)
    step_h = cell_h + (_NUMBER if per == 1 else 0) + _GAP

    words = [
        shown.caption + (f"; ends at ±{shown.scales[0].high:.3g}" if options.scale == "shared" else ""),
        shown.note,
    ]
    top = EDGE + 0.35
    grid_h = max(rows * step_h, 1.3 if signed else 0)
    heading = f"filters of {bank.layer} · {bank.provenance.model}"
    sheet = Sheet.with_caption(heading, words, bank.warnings, width=sheet_w, top=top, body=grid_h + 0.08)
    for k in range(count):
        x = EDGE + k % columns * (cell_w + number_w + _GAP)
        y = top + k // columns * step_h
        _cell(sheet, shown, k, (x, y, cell_w, cell_h), number_w)
    if signed:
        left = EDGE + columns * (cell_w + number_w + _GAP) + 0.05
        unit = "w / ‖w‖" if options.norm == "unit" else "w"
        sheet.color_bar(left, top, 0.12, min(1.8, grid_h), shown.scales[0], shown.colormap or "gray", unit)
    return sheet.figure


def _cell(sheet: Sheet, shown: FilterTiles, k: int, box: tuple[float, float, float, float], number_w: float) -> None:
    x, y, width, height = box
    is_strip = number_w > 0
    sheet.note(x, y + 0.05 * is_strip, f"{shown.numbers[k]}{'  zero' if shown.norms[k] == 0 else ''}")
    axes = sheet.axes(x + number_w, y if is_strip else y + _NUMBER, width, height)
    axes.imshow(shown.strip(k), aspect="auto")
    side = shown.tiles[0].shape[1]
    for edge in range(1, shown.per_filter):
        axes.axvline(edge * side - 0.5, color="white", linewidth=1.2)
