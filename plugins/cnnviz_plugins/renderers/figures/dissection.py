"""Dissection: how many units detect each concept, and where the best units answer in their best images."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Dissection
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, empty_cell, tidy
from cnnviz_plugins.renderers.images import rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_GAP, _NAME, _BARS, _LABEL, _IMAGE, _ROW = 0.06, 1.35, 1.9, 1.45, 0.82, 0.2
_COLOURS = ("#316dca", "#cf222e", "#bf8700", "#1a7f37", "#8250df", "#57606a")
_OUTSIDE = 0.25


def dissection_figure(result: Dissection, options: UnitOptions) -> Figure:
    """Return detectors by concept on the left, and on the right one row per unit with what lies outside it darkened."""
    units = result.units[: options.limit]
    columns = min(result.ids.shape[1], options.columns)
    counted = Counter(result.detectors.values()).most_common()
    height, width = result.masks.shape[2:]
    image_h = _IMAGE * min(max(height / width, 0.4), 2.5)
    body_h = max((len(counted) + 1) * _ROW + 0.6, len(units) * (image_h + _GAP))
    left = EDGE + _NAME + _BARS + 0.4
    sheet_w = left + _LABEL + columns * (_IMAGE + _GAP) + EDGE
    total = len(result.threshold)
    words = (
        f"{len(result.detectors)} of {total} units are detectors (overlap above {number(result.detector_at)}) "
        f"of {len(counted)} of {len(result.concepts)} concepts. A unit is active where its map, brought to "
        f"the image's size, is above the value that {percent(result.share)} of its values exceed; the rest is "
        "darkened."
    )
    top = EDGE + 0.42
    heading = f"dissection of {result.layer} · {result.provenance.model} · {result.image_count} images"
    sheet = Sheet.with_caption(heading, [words], result.warnings, width=sheet_w, top=top, body=body_h + 0.1)
    _bars(sheet, result, counted, top)
    for row, unit in enumerate(units):
        y = top + row * (image_h + _GAP)
        best = int(result.iou[unit].argmax())
        sheet.text(left, y + 0.08, f"unit {unit}", fontweight="bold")
        sheet.text(left, y + 0.28, plain(result.concepts[best], 22), size=SMALL_PT)
        word = "" if result.iou[unit, best] > result.detector_at else ", no detector"
        sheet.note(left, y + 0.44, f"overlap {float(result.iou[unit, best]):.3f}{word}")
        for rank in range(columns):
            axes = sheet.axes(left + _LABEL + rank * (_IMAGE + _GAP), y, _IMAGE, image_h)
            if result.ids[row, rank] < 0:
                empty_cell(axes, "no more\nimages")
                continue
            inside = np.where(result.masks[row, rank][..., None], 1.0, _OUTSIDE)
            axes.imshow((rgb(result.images[row, rank]) * inside).astype(np.uint8), aspect="auto")
    return sheet.figure


def _bars(sheet: Sheet, result: Dissection, counted: list[tuple[str, int]], top: float) -> None:
    kinds = list(dict.fromkeys(name.partition(":")[0] for name in result.concepts))
    sheet.text(EDGE, top, "units that detect each concept")
    if not counted:
        sheet.note(EDGE, top + 0.25, "none")
        return
    axes = sheet.axes(EDGE + _NAME, top + 0.25, _BARS, len(counted) * _ROW, frame=True)
    colours = [_COLOURS[kinds.index(name.partition(":")[0]) % len(_COLOURS)] for name, _ in counted]
    axes.barh(range(len(counted)), [count for _, count in counted], color=colours, height=0.7)
    axes.set_yticks(range(len(counted)), [plain(name, 22) for name, _ in counted])
    axes.set(ylim=(len(counted) - 0.5, -0.5))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    tidy(axes)
