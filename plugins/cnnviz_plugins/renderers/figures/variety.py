"""Variety of filters: a matrix of |cosine| per layer with the verdict beside it."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import FilterVariety
from cnnviz_plugins.renderers.figures.sheet import FAINT, SMALL_PT, TEXT_PT, TITLE_PT, Sheet, lines_height, wrapped
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import plain

_EDGE, _MATRIX, _GAP, _COLUMNS = 0.3, 1.7, 0.25, 4


def variety_figure(result: FilterVariety, options: UnitOptions) -> Figure:
    """Return one cell per layer: its matrix and the sentence about it."""
    layers = result.layers[: options.limit]
    columns = min(_COLUMNS, len(layers))
    cell_h = 0.22 + _MATRIX + 1.0
    rows = -(-len(layers) // columns)
    words = ["|cosine| of every pair of filters: black 0, yellow 1; filters in their own order along both sides."]
    left_out = len(result.layers) - len(layers)
    words += [f"{left_out} more layers are not drawn (limit={options.limit})."] if left_out else []
    sheet_w = max(2 * _EDGE + columns * (_MATRIX + _GAP), 6.0)
    caption = wrapped("\n".join([*words, *result.warnings]), sheet_w - 2 * _EDGE, SMALL_PT)
    top = _EDGE + 0.38
    sheet = Sheet(sheet_w, top + rows * cell_h + lines_height(caption, SMALL_PT) + _EDGE)
    heading = f"variety of filters · {result.provenance.model}"
    sheet.text(_EDGE, _EDGE - 0.05, plain(heading, int(sheet_w * 11)), size=TITLE_PT, fontweight="bold")
    for k, one in enumerate(layers):
        x, y = _EDGE + k % columns * (_MATRIX + _GAP), top + k // columns * cell_h
        sheet.text(x, y, plain(one.layer, 26), size=TEXT_PT, fontweight="bold")
        shown = np.asarray(one.cosine)
        sheet.axes(x, y + 0.2, _MATRIX, _MATRIX).imshow(shown, cmap="inferno", vmin=0, vmax=1)
        sentence = wrapped(plain(one.verdict, 190), _MATRIX + 0.1, SMALL_PT)
        sheet.text(x, y + 0.2 + _MATRIX + 0.05, sentence, size=SMALL_PT, color=FAINT)
    sheet.text(_EDGE, top + rows * cell_h, caption, size=SMALL_PT, color=FAINT)
    return sheet.figure
