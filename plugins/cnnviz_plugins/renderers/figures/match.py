"""One filter and one image: the map of cosines with its maximum marked, and the patch that looks most like it."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import FilterMatch
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.sheet import EDGE, YELLOW, Sheet, outlined
from cnnviz_plugins.renderers.images import painted, rgb
from cnnviz_plugins.renderers.options import UnitOptions

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
        is_map = name == "cosine"
        sheet.text(x, top - 0.2, name)
        axes = sheet.axes(x, top, _MAP, height)
        if is_map:
            axes.imshow(result.cosine, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
            axes.plot(
                column, row, "o", markersize=9, markerfacecolor="none", markeredgecolor="black", markeredgewidth=2.4
            )
            axes.plot(column, row, "o", markersize=9, markerfacecolor="none", markeredgecolor=YELLOW)
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
