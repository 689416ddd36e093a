"""Shortcuts: how often each class is right with and without the features it rests on, and what these see."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Shortcuts
from cnnviz_plugins.renderers.figures.inks import COLOURS, INK, RULE, YELLOW
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, height_of, outlined, tidy
from cnnviz_plugins.renderers.images import rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import left_out, percent, plain

_IMAGE, _GAP, _WORDS, _BAR = 0.78, 0.08, 1.75, 2.3


def shortcuts_figure(result: Shortcuts, options: UnitOptions) -> Figure:
    """Return one row per class, the one that loses most first: its features, its accuracy, its exemplars."""
    rows = range(min(len(result.classes), options.limit))
    columns = min(result.ids.shape[1], options.columns)
    image_h = height_of(_IMAGE, result.images.shape[2:4])
    pitch, top = image_h + _GAP, EDGE + 0.42
    left, right = EDGE + _WORDS, EDGE + _WORDS + _BAR + 0.3
    sheet = Sheet.with_caption(
        f"shortcuts in {result.layer} · {result.provenance.model} · {result.held_out_count} images held out",
        _words(result, len(rows)), result.warnings, width=max(right + columns * (_IMAGE + _GAP) + EDGE, 6.9), top=top,
        body=0.3 + len(rows) * pitch + 0.4,
    )  # fmt: skip
    sheet.text(left, top, "named rightly")
    sheet.text(right, top, "where the first feature is strongest")
    axes = sheet.axes(left, top + 0.3, _BAR, len(rows) * pitch, frame=True)
    for row in rows:
        y = top + 0.3 + row * pitch
        alarm = bool(result.is_alarm[row])
        sheet.text(
            EDGE, y + 0.05, plain(result.classes[row], 22), fontweight="bold", color=COLOURS[1] if alarm else INK
        )
        sheet.text(
            EDGE, y + 0.24, "shortcut" if alarm else "no alarm" if result.outside is not None else "", size=SMALL_PT
        )
        sheet.note(EDGE, y + 0.4, plain("features " + ", ".join(str(k) for k in result.features[row]), 30))
        _bars(axes, result, row)
        for rank in range(columns):
            cell = sheet.axes(right + rank * (_IMAGE + _GAP), y, _IMAGE, image_h)
            cell.imshow(rgb(result.images[row, rank]), aspect="auto")
            box_top, box_left, bottom, box_right = (int(edge) for edge in result.boxes[row, rank])
            corner = (box_left - 0.5, box_top - 0.5)
            outlined(cell, corner, box_right - box_left + 1, bottom - box_top + 1, YELLOW, width=1.1)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, 1.02), yticks=[])
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    tidy(axes, "left", "right", "top")
    return sheet.figure


def _bars(axes: Axes, result: Shortcuts, row: int) -> None:
    """Draw accuracy as it is, without the set everywhere, and without it outside of the object."""
    axes.barh(row - 0.24, result.accuracy[row], height=0.2, color=RULE)
    axes.barh(row, result.without[row, -1], height=0.2, color=COLOURS[0])
    if result.outside is not None:
        axes.barh(row + 0.24, result.outside[row, -1], height=0.2, color=COLOURS[1])


def _words(result: Shortcuts, drawn: int) -> list[str]:
    lines = [f"Grey: as it is; blue: without these {result.features.shape[1]} features"]
    if result.outside is None:
        lines[0] += ". Without a mask nothing says whether they lie on the object."
    else:
        lines[0] += "; orange: without them outside of the object only."
        named = ", ".join(result.alarms)
        lines.append(f"Classes that rest on what is no part of their object: {named or 'none'}.")
    kept = float(np.nanmean(result.others_without)), float(np.nanmean(result.others))
    lines.append(f"Of other classes {percent(kept[0])} stay right of {percent(kept[1])}, on average.")
    return lines + left_out(len(result.classes) - drawn, "classes", drawn)
