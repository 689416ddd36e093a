"""Exemplars: one row per unit, its best images with the box of what it sees, and the crops below."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Exemplars
from cnnviz_plugins.renderers.figures.cells import INPUTS, Cell, cell_of, is_empty, padding_only
from cnnviz_plugins.renderers.figures.inks import YELLOW
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, empty_cell, wrapped
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import left_out, number, percent, plain

_GAP, _LABEL, _WORD = 0.08, 1.55, 0.14
_SILENT = "#8c959f"
_BOX = {1: "interval", 2: "box", 3: "box"}
"""What the unit sees of an input, by the number of spatial axes."""


def exemplars_figure(result: Exemplars, options: UnitOptions) -> Figure:
    """Return one row per unit: whole images with boxes drawn, and what is in the boxes below them.

    Series are curves with the interval shaded, volumes the slice through the middle of the box.
    """
    units = result.units[: options.limit]
    columns = min(result.value.shape[1], options.columns)
    axes = result.place.shape[-1]
    cell = cell_of(result.images, axes)
    step = 2 * cell.height + 2 * _WORD + 0.22
    sheet_w = max(2 * EDGE + _LABEL + columns * (cell.width + _GAP), 5.6)
    (whole, several), box = INPUTS[axes], _BOX[axes]
    seen = f"its {box} is what the unit sees at its strongest position"
    words = [
        f"Above: the whole {whole}, {seen}. Below: inside the {box}.",
        ""
        if result.quantity == "activation"
        else f"These are the {several} in which each unit mattered most for the class.",
        cell.words,
    ]
    words += left_out(len(result.units) - len(units), "units", options.limit)
    top = EDGE + 0.38
    heading = (
        f"{result.provenance.technique} of {result.layer} · {result.provenance.model} · {result.image_count} {several}"
    )
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=len(units) * step)
    for row, unit in enumerate(units):
        y = top + row * step
        sheet.text(EDGE, y, f"unit {unit}", fontweight="bold")
        sheet.note(EDGE, y + 0.2, wrapped(_about(result, unit), _LABEL - 0.1, SMALL_PT))
        for rank in range(columns):
            x = EDGE + _LABEL + rank * (cell.width + _GAP)
            _entry(sheet, result, (unit, rank), x, y, cell)
    return sheet.figure


def _entry(sheet: Sheet, result: Exemplars, at: tuple[int, int], x: float, y: float, cell: Cell) -> None:
    axes = sheet.axes(x, y + _WORD, cell.width, cell.height)
    if result.id[at] < 0:
        empty_cell(axes, "no more\nimages")
        return
    value, box, image = float(result.value[at]), result.box[at], result.image(*at)
    fires = value > result.threshold
    said = [number(value) + ("" if fires else " silent"), cell.note(box)]
    sheet.note(x, y, " · ".join(filter(None, said)))
    cell.whole(axes, image, box, YELLOW if fires else _SILENT)
    below = (x, y + _WORD + cell.height + 0.06)
    if is_empty(box):
        padding_only(sheet, below, cell)
    else:
        cell.inside(sheet, below, image, box)
    label = _label(result, at)
    if label:
        sheet.note(x, y + _WORD + 2 * cell.height + 0.07, plain(label, 16))


def _label(result: Exemplars, at: tuple[int, int]) -> str:
    place = int(np.searchsorted(result.image_ids, result.id[at]))
    label = int(result.labels[place])
    return result.class_names[label] if 0 <= label < len(result.class_names) else result.names[place].split("/")[-1]


def _about(result: Exemplars, unit: int) -> str:
    images = max(result.image_count - int(result.nonfinite[unit]), 1)
    what = "" if result.quantity == "activation" else f"{result.quantity} "
    share, several = percent(float(result.fired[unit]) / images), INPUTS[result.place.shape[-1]][1]
    words = [f"{what}above {number(result.threshold)} in {share} of {several}"]
    if result.class_means is not None:
        best = int(result.class_means[:, unit].argmax())
        words.append(f"strongest class: {plain(result.class_names[best], 18)}")
    if result.selectivity is not None:
        words.append(f"selectivity {float(result.selectivity[unit]):.2f}")
    return "\n".join(words)
