"""Receptive fields: a table of the layers beside the boxes of their central units over the input frame."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz_jax.plugin import ReceptiveFields
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.figures.sheet import (
    EDGE,
    EMPTY,
    FAINT,
    INK,
    RULE,
    SMALL_PT,
    TEXT_PT,
    Sheet,
    lines_height,
    wrapped,
)
from cnnviz_plugins.renderers.geometry import field_rows, frame_window
from cnnviz_plugins.renderers.options import FieldOptions
from cnnviz_plugins.renderers.text import plain

_FRAME, _ROW = 3.6, 0.19
_COLUMNS = (0.0, 0.2, 2.15, 3.2, 4.15, 4.85)


def fields_figure(result: ReceptiveFields, options: FieldOptions) -> Figure:
    """Return the boxes on the left and size, stride and padding of every layer on the right."""
    rows = field_rows(result)
    listed = rows[: options.limit]
    height, width, _ = result.input_shape
    left, top, right, bottom = frame_window(rows, (height, width))
    frame_h = _FRAME * (bottom - top) / (right - left)
    words = ["Box of the central unit of each layer over the input (grey); equal boxes are drawn once."]
    words += ["misaligned: paths differ in stride or centre."] if any(not row.is_aligned for row in rows) else []
    words += [f"{len(rows) - len(listed)} more layers are not listed (limit={options.limit})."] * (listed != rows)
    words += [f"Warning: {warning}" for warning in result.warnings]
    caption = wrapped("\n".join(words), _FRAME, SMALL_PT)
    body_h = max(frame_h + 0.1 + lines_height(caption, SMALL_PT), (len(listed) + 1.5) * _ROW)
    sheet = Sheet(2 * EDGE + _FRAME + 0.35 + 6.0, EDGE + 0.4 + body_h + EDGE)
    heading = f"receptive fields · {result.provenance.model} · input {height} × {width}"
    sheet.heading(heading)

    origin = EDGE + 0.4
    axes = sheet.axes(EDGE, origin, _FRAME, frame_h)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=EMPTY, edgecolor=FAINT, linewidth=0.8))
    colours = [palette("plasma")[int(k)] / 255 for k in np.linspace(235, 70, len(rows))]
    for row, colour in reversed(list(zip(rows, colours, strict=True))):
        if row.is_first_of_box:
            y, x, y1, x1 = row.box
            axes.add_patch(Rectangle((x, y), x1 - x + 1, y1 - y + 1, fill=False, edgecolor=colour, linewidth=1.1))
    sheet.note(EDGE, origin + frame_h + 0.06, caption)

    table = EDGE + _FRAME + 0.35
    y = origin
    for x, word in zip(_COLUMNS[1:], ("layer", "kind", "size", "stride", "padding"), strict=True):
        sheet.note(table + x, y, word)
    for row, colour in zip(listed, colours, strict=False):
        y += _ROW
        mark = sheet.axes(table + 0.02, y + 0.015, 0.1, 0.1)
        mark.add_patch(Rectangle((0, 0), 1, 1, facecolor=colour))
        cells = (plain(row.layer, 30), plain(row.kind, 15), row.size_text, row.stride_text, row.padding_text)
        for x, words_here in zip(_COLUMNS[1:], cells, strict=True):
            sheet.text(table + x, y, words_here, size=SMALL_PT if x < 2 else TEXT_PT - 1, color=INK)
        if not row.is_aligned:
            sheet.note(table + _COLUMNS[5] + 0.5, y, "misaligned")
    rule = Rectangle((0, 0), 1, 1, facecolor=RULE)
    line = sheet.axes(table, origin + _ROW - 0.035, 5.95, 0.008)
    line.add_patch(rule)
    return sheet.figure
