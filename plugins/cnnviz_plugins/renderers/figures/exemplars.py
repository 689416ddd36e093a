"""Exemplars: one row per unit, its best images with the box of what it sees, and the crops below."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz_jax.plugin import Exemplars
from cnnviz_plugins.renderers.figures.sheet import (
    FAINT,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Sheet,
    empty_cell,
    lines_height,
    wrapped,
)
from cnnviz_plugins.renderers.images import channel_note, rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_EDGE, _GAP, _LABEL, _IMAGE, _WORD = 0.3, 0.08, 1.55, 0.95, 0.14
_BOX, _SILENT = "#ffd33d", "#8c959f"


def exemplars_figure(result: Exemplars, options: UnitOptions) -> Figure:
    """Return one row per unit: whole images with boxes drawn, and what is in the boxes below them."""
    units = result.units[: options.limit]
    columns = min(result.value.shape[1], options.columns)
    height, width = result.images.shape[1:3]
    image_h = _IMAGE * min(max(height / width, 0.4), 2.5)
    step = 2 * image_h + 2 * _WORD + 0.22
    sheet_w = max(2 * _EDGE + _LABEL + columns * (_IMAGE + _GAP), 5.6)
    words = [
        "Above: the whole image, its box is what the unit sees at its strongest position. Below: inside the box.",
        channel_note(result.images.shape[-1]),
    ]
    hidden = len(result.units) - len(units)
    words += [f"{hidden} more units are not drawn (limit={options.limit})."] if hidden else []
    words += [f"Warning: {warning}" for warning in result.warnings]
    caption = wrapped("\n".join(word for word in words if word), sheet_w - 2 * _EDGE, SMALL_PT)
    top = _EDGE + 0.38
    sheet = Sheet(sheet_w, top + len(units) * step + lines_height(caption, SMALL_PT) + _EDGE)
    heading = f"exemplars of {result.layer} · {result.provenance.model} · {result.image_count} images"
    sheet.text(_EDGE, _EDGE - 0.05, plain(heading, int(sheet_w * 11)), size=TITLE_PT, fontweight="bold")
    for row, unit in enumerate(units):
        y = top + row * step
        sheet.text(_EDGE, y, f"unit {unit}", size=TEXT_PT, fontweight="bold")
        sheet.text(_EDGE, y + 0.2, wrapped(_about(result, unit), _LABEL - 0.1, SMALL_PT), size=SMALL_PT, color=FAINT)
        for rank in range(columns):
            x = _EDGE + _LABEL + rank * (_IMAGE + _GAP)
            _entry(sheet, result, (unit, rank), x, y, image_h)
    sheet.text(_EDGE, top + len(units) * step, caption, size=SMALL_PT, color=FAINT)
    return sheet.figure


def _entry(sheet: Sheet, result: Exemplars, at: tuple[int, int], x: float, y: float, image_h: float) -> None:
    axes = sheet.axes(x, y + _WORD, _IMAGE, image_h)
    if result.id[at] < 0:
        empty_cell(axes, "no more\nimages")
        return
    value = float(result.value[at])
    fires = value > result.threshold
    sheet.text(x, y, number(value) + ("" if fires else " silent"), size=SMALL_PT, color=FAINT)
    axes.imshow(rgb(result.image(*at)), aspect="auto")
    top, left, bottom, right = (int(edge) for edge in result.box[at])
    corner, wide, high = (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1
    # A dark line under the bright one shows on any image.
    axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor="black", linewidth=2.2))
    axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=_BOX if fires else _SILENT, linewidth=1.1))
    crop = rgb(result.crop(*at))
    scale = min(_IMAGE / crop.shape[1], image_h / crop.shape[0])
    below = sheet.axes(x, y + _WORD + image_h + 0.06, crop.shape[1] * scale, crop.shape[0] * scale)
    below.imshow(crop, aspect="auto")
    label = _label(result, at)
    if label:
        sheet.text(x, y + _WORD + 2 * image_h + 0.07, plain(label, 16), size=SMALL_PT, color=FAINT)


def _label(result: Exemplars, at: tuple[int, int]) -> str:
    place = int(np.searchsorted(result.image_ids, result.id[at]))
    label = int(result.labels[place])
    return result.class_names[label] if 0 <= label < len(result.class_names) else result.names[place].split("/")[-1]


def _about(result: Exemplars, unit: int) -> str:
    images = max(result.image_count - int(result.nonfinite[unit]), 1)
    words = [f"above {number(result.threshold)} in {percent(float(result.fired[unit]) / images)} of images"]
    if result.class_means is not None and result.selectivity is not None:
        best = int(result.class_means[:, unit].argmax())
        words.append(f"strongest class: {plain(result.class_names[best], 18)}")
        words.append(f"selectivity {float(result.selectivity[unit]):.2f}")
    return "\n".join(words)
