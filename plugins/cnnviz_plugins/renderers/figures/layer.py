"""Figures of one layer: a filter and what looks most like it, what a unit is sensitive to, how filters vary."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from cnnviz_jax.plugin import EffectiveReceptiveField, FilterMatch, FilterVariety
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.inks import YELLOW
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, height_of, outlined, wrapped
from cnnviz_plugins.renderers.images import painted, rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import left_out, number, percent, plain

_MAP, _GAP, _TILE = 2.4, 0.3, 1.15


def match_figure(result: FilterMatch, options: UnitOptions) -> Figure:
    """Return the filter, the image with the best patch boxed, the map of cosines, and that patch."""
    height = _MAP * min(max(result.image.shape[0] / result.image.shape[1], 0.4), 2.0)
    words = (
        "The filter is w / ‖w‖, mid-grey is 0: of all patches of one length this one fires it most. Cosine of the "
        "filter with every patch of the image as the model normalises it; yellow marks the largest."
    )
    sheet_w = 2 * EDGE + 2 * _TILE + 2 * _MAP + 3 * _GAP + 1.05
    top = EDGE + 0.65
    heading = f"filter {result.unit} of {result.layer} over an image · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, [words], result.warnings, width=sheet_w, top=top, body=height + 0.15)
    weights = result.kernel / max(float(np.abs(result.kernel).max()), 1e-12)
    is_colour = weights.shape[-1] == 3
    shown = ((weights + 1) / 2 * 255).astype(np.uint8) if is_colour else painted((weights.mean(-1) + 1) / 2, "gray")
    most = max(float(np.abs(result.cosine).max()), 1e-12)
    row, column = result.at
    high, wide = result.kernel.shape[:2]
    sheet.text(EDGE, top - 0.2, f"filter, {high} × {wide}")
    sheet.axes(EDGE, top, _TILE, _TILE * high / wide).imshow(shown, aspect="auto")
    x = EDGE + _TILE + _GAP
    for name in ("image", "cosine"):
        sheet.text(x, top - 0.2, name)
        axes = sheet.axes(x, top, _MAP, height)
        if name == "cosine":
            axes.imshow(result.cosine, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
            for colour, thick in (("black", 2.4), (YELLOW, None)):
                axes.plot(column, row, "o", ms=9, mfc="none", mec=colour, mew=thick)
        else:
            axes.imshow(rgb(result.image), aspect="auto")
            outlined(axes, (column - 0.5, row - 0.5), wide, high)
        x += _MAP + _GAP
    scale = Scale(policy="symmetric", low=-most, high=most)
    sheet.color_bar(x - _GAP + 0.08, top, 0.1, min(1.6, height), scale, "RdBu_r", "cosine")
    x += 0.72
    best = float(result.cosine[row, column])
    sheet.text(x, top - 0.2, f"best patch, {best:.2f}")
    sheet.axes(x, top, _TILE, _TILE * high / wide).imshow(rgb(result.patch), aspect="auto")
    return sheet.figure


_FIELD = 3.4


def effective_field_figure(result: EffectiveReceptiveField, options: UnitOptions) -> Figure:
    """Return the map, the box, and the ellipse of two standard deviations."""
    values = np.asarray(result.sensitivity)
    height = height_of(_FIELD, values.shape[:2])
    top_px, left_px, bottom_px, right_px = result.box
    words = [
        f"Mean |d unit / d pixel| over {result.samples} images of noise, unit {result.unit}.",
        f"White: what the unit can see, {bottom_px - top_px + 1} × {right_px - left_px + 1} pixels.",
        f"Dashed: two standard deviations, sigma {number(result.sigma[0])} × {number(result.sigma[1])} pixels.",
        f"95 % of the sensitivity lies on {percent(result.share)} of the box.",
    ]
    sheet_w = 2 * EDGE + _FIELD + 1.2
    top = EDGE + 0.38
    heading = f"effective receptive field of {result.layer} · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=height + 0.1)
    axes = sheet.axes(EDGE, top, _FIELD, height)
    most = max(float(values.max()), 0.0)
    # Fixed limits: a patch at the border must not push the image aside.
    axes.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))
    axes.imshow(values, cmap="inferno", vmin=0, vmax=most or 1, aspect="auto")
    corner, size = (left_px - 0.5, top_px - 0.5), (right_px - left_px + 1, bottom_px - top_px + 1)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=1.2))
    centre, wide, high = (result.centre[1], result.centre[0]), 4 * result.sigma[1], 4 * result.sigma[0]
    axes.add_patch(Ellipse(centre, wide, high, fill=False, edgecolor="#9be9a8", linewidth=1.0, linestyle="--"))
    scale = Scale(policy="positive", low=0.0, high=most)
    sheet.color_bar(EDGE + _FIELD + 0.1, top, 0.12, min(1.8, height), scale, "inferno", "|gradient|")
    return sheet.figure


_MATRIX, _APART, _COLUMNS = 1.7, 0.25, 4


def variety_figure(result: FilterVariety, options: UnitOptions) -> Figure:
    """Return one cell per layer: its matrix and the sentence about it."""
    layers = result.layers[: options.limit]
    columns = min(_COLUMNS, len(layers))
    cell_h = 0.22 + _MATRIX + 1.0
    rows = -(-len(layers) // columns)
    words = ["|cosine| of every pair of filters: black 0, yellow 1; filters in their own order along both sides."]
    words += left_out(len(result.layers) - len(layers), "layers", options.limit)
    sheet_w = max(2 * EDGE + columns * (_MATRIX + _APART), 6.0)
    top = EDGE + 0.38
    heading = f"variety of filters · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=rows * cell_h)
    for k, one in enumerate(layers):
        x, y = EDGE + k % columns * (_MATRIX + _APART), top + k // columns * cell_h
        sheet.text(x, y, plain(one.layer, 26), fontweight="bold")
        shown = np.asarray(one.cosine)
        sheet.axes(x, y + 0.2, _MATRIX, _MATRIX).imshow(shown, cmap="inferno", vmin=0, vmax=1)
        sentence = wrapped(plain(one.verdict, 190), _MATRIX + 0.1, SMALL_PT)
        sheet.note(x, y + 0.2 + _MATRIX + 0.05, sentence)
    return sheet.figure
