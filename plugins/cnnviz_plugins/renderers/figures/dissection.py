"""Dissection: how many units detect each concept, and where the best units answer in their best images."""

from collections import Counter

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Dissection
from cnnviz_plugins.renderers.figures.cells import INPUTS, curves, in_grey
from cnnviz_plugins.renderers.figures.inks import YELLOW
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, empty_cell, height_of, tidy
from cnnviz_plugins.renderers.images import rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_GAP, _NAME, _BARS, _LABEL, _IMAGE, _ROW = 0.06, 1.35, 1.9, 1.45, 0.82, 0.2
_COLOURS = ("#316dca", "#cf222e", "#bf8700", "#1a7f37", "#8250df", "#57606a")
_OUTSIDE = 0.25
_REST = {
    1: "there it is shaded.",
    2: "the rest is darkened.",
    3: "the rest is darkened, in the slice where it is active most.",
}


def dissection_figure(result: Dissection, options: UnitOptions) -> Figure:
    """Return detectors by concept on the left, and on the right one row per unit with what lies outside it darkened."""
    units = result.units[: options.limit]
    columns = min(result.ids.shape[1], options.columns)
    counted = Counter(result.detectors.values()).most_common()
    axes_count = result.masks.ndim - 2
    image_w = _IMAGE if axes_count > 1 else 1.5
    image_h = height_of(_IMAGE, result.masks.shape[-2:]) if axes_count > 1 else 0.62
    body_h = max((len(counted) + 1) * _ROW + 0.6, len(units) * (image_h + _GAP))
    left = EDGE + _NAME + _BARS + 0.4
    sheet_w = left + _LABEL + columns * (image_w + _GAP) + EDGE
    total = len(result.threshold)
    words = (
        f"{len(result.detectors)} of {total} units are detectors (overlap above {number(result.detector_at)}) "
        f"of {len(counted)} of {len(result.concepts)} concepts. A unit is active where its map, brought to "
        f"the {INPUTS[axes_count][0]}'s size, is above the value that {percent(result.share)} of its values exceed; "
        f"{_REST[axes_count]}"
    )
    top = EDGE + 0.42
    heading = f"dissection of {result.layer} · {result.provenance.model} · {result.image_count} {INPUTS[axes_count][1]}"
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
            axes = sheet.axes(left + _LABEL + rank * (image_w + _GAP), y, image_w, image_h)
            if result.ids[row, rank] < 0:
                empty_cell(axes, "no more\nimages")
                continue
            _masked(axes, result.images[row, rank], result.masks[row, rank])
    return sheet.figure


def _masked(axes: Axes, image: Float[np.ndarray, "..."], mask: Bool[np.ndarray, "*axes"]) -> None:
    """Draw an image darkened outside the mask, a series shaded inside it, or the slice where most of a volume's is."""
    if mask.ndim == 1:
        axes.set_axis_on()
        curves(axes, image)
        steps = np.arange(len(mask) + 1) - 0.5
        across = axes.get_xaxis_transform()
        axes.fill_between(steps, 0, 1, where=np.append(mask, False), step="post", color=YELLOW, alpha=0.5,
                          linewidth=0, transform=across)  # fmt: skip
        axes.set(xticks=[], yticks=[])
        return
    if mask.ndim == 3:
        depth = int(mask.sum((1, 2)).argmax())
        image, mask = in_grey(image)[depth, ..., None], mask[depth]
    axes.imshow((rgb(image) * np.where(mask[..., None], 1.0, _OUTSIDE)).astype(np.uint8), aspect="auto")


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
