"""Variety of filters: a matrix of |cosine| per layer with the verdict beside it."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import FilterVariety
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, wrapped
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import plain

_MATRIX, _GAP, _COLUMNS = 1.7, 0.25, 4


def variety_figure(result: FilterVariety, options: UnitOptions) -> Figure:
    """Return one cell per layer: its matrix and the sentence about it."""
    layers = result.layers[: options.limit]
    columns = min(_COLUMNS, len(layers))
    cell_h = 0.22 + _MATRIX + 1.0
    rows = -(-len(layers) // columns)
    words = ["|cosine| of every pair of filters: black 0, yellow 1; filters in their own order along both sides."]
    left_out = len(result.layers) - len(layers)
    words += [f"{left_out} more layers are not drawn (limit={options.limit})."] if left_out else []
    sheet_w = max(2 * EDGE + columns * (_MATRIX + _GAP), 6.0)
    top = EDGE + 0.38
    heading = f"variety of filters · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=rows * cell_h)
    for k, one in enumerate(layers):
        x, y = EDGE + k % columns * (_MATRIX + _GAP), top + k // columns * cell_h
        sheet.text(x, y, plain(one.layer, 26), fontweight="bold")
        shown = np.asarray(one.cosine)
        sheet.axes(x, y + 0.2, _MATRIX, _MATRIX).imshow(shown, cmap="inferno", vmin=0, vmax=1)
        sentence = wrapped(plain(one.verdict, 190), _MATRIX + 0.1, SMALL_PT)
        sheet.note(x, y + 0.2 + _MATRIX + 0.05, sentence)
    return sheet.figure
