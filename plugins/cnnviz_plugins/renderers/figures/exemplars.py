"""Exemplars: one row per unit, its best images with the box of what it sees, and the crops below."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Exemplars
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, YELLOW, Sheet, empty_cell, outlined, wrapped
from cnnviz_plugins.renderers.images import channel_note, rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_GAP, _LABEL, _IMAGE, _WORD = 0.08, 1.55, 0.95, 0.14
_SILENT = "#8c959f"


def exemplars_figure(result: Exemplars, options: UnitOptions) -> Figure:
    """Return one row per unit: whole images with boxes drawn, and what is in the boxes below them."""
    units = result.units[: options.limit]
    columns = min(result.value.shape[1], options.columns)
    height, width = result.images.shape[1:3]
    image_h = _IMAGE * min(max(height / width, 0.4), 2.5)
    step = 2 * image_h + 2 * _WORD + 0.22
    sheet_w = max(2 * EDGE + _LABEL + columns * (_IMAGE + _GAP), 5.6)
    words = [
        "Above: the whole image, its box is what the unit sees at its strongest position. Below: inside the box.",
        ""
        if result.quantity == "activation"
        else "These are the images in which each unit mattered most for the class.",
        channel_note(result.images.shape[-1]),
    ]
    hidden = len(result.units) - len(units)
    words += [f"{hidden} more units are not drawn (limit={options.limit})."] if hidden else []
    top = EDGE + 0.38
    heading = (
        f"{result.provenance.technique} of {result.layer} · {result.provenance.model} · {result.image_count} images"
    )
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=len(units) * step)
    for row, unit in enumerate(units):
        y = top + row * step
        sheet.text(EDGE, y, f"unit {unit}", fontweight="bold")
        sheet.note(EDGE, y + 0.2, wrapped(_about(result, unit), _LABEL - 0.1, SMALL_PT))
        for rank in range(columns):
            x = EDGE + _LABEL + rank * (_IMAGE + _GAP)
            _entry(sheet, result, (unit, rank), x, y, image_h)
    return sheet.figure


def _entry(sheet: Sheet, result: Exemplars, at: tuple[int, int], x: float, y: float, image_h: float) -> None:
    axes = sheet.axes(x, y + _WORD, _IMAGE, image_h)
    if result.id[at] < 0:
        empty_cell(axes, "no more\nimages")
        return
    value = float(result.value[at])
    fires = value > result.threshold
    sheet.note(x, y, number(value) + ("" if fires else " silent"))
    axes.imshow(rgb(result.image(*at)), aspect="auto")
    crop = result.crop(*at)
    if crop.size:
        top, left, bottom, right = (int(edge) for edge in result.box[at])
        corner, wide, high = (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1
        outlined(axes, corner, wide, high, YELLOW if fires else _SILENT, width=1.1)
        scale = min(_IMAGE / crop.shape[1], image_h / crop.shape[0])
        below = sheet.axes(x, y + _WORD + image_h + 0.06, crop.shape[1] * scale, crop.shape[0] * scale)
        below.imshow(rgb(crop), aspect="auto")
    else:
        empty_cell(sheet.axes(x, y + _WORD + image_h + 0.06, _IMAGE, image_h), "sees only\npadding")
    label = _label(result, at)
    if label:
        sheet.note(x, y + _WORD + 2 * image_h + 0.07, plain(label, 16))


def _label(result: Exemplars, at: tuple[int, int]) -> str:
    place = int(np.searchsorted(result.image_ids, result.id[at]))
    label = int(result.labels[place])
    return result.class_names[label] if 0 <= label < len(result.class_names) else result.names[place].split("/")[-1]


def _about(result: Exemplars, unit: int) -> str:
    images = max(result.image_count - int(result.nonfinite[unit]), 1)
    what = "" if result.quantity == "activation" else f"{result.quantity} "
    words = [f"{what}above {number(result.threshold)} in {percent(float(result.fired[unit]) / images)} of images"]
    if result.class_means is not None:
        best = int(result.class_means[:, unit].argmax())
        words.append(f"strongest class: {plain(result.class_names[best], 18)}")
    if result.selectivity is not None:
        words.append(f"selectivity {float(result.selectivity[unit]):.2f}")
    return "\n".join(words)
