"""The effective receptive field: the sensitivity with the box of what the unit can see."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from cnnviz_jax.plugin import EffectiveReceptiveField
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.sheet import EDGE, Sheet
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent

_MAP = 3.4


def effective_field_figure(result: EffectiveReceptiveField, options: UnitOptions) -> Figure:
    """Return the map, the box, and the ellipse of two standard deviations."""
    values = np.asarray(result.sensitivity)
    height = _MAP * min(max(values.shape[0] / values.shape[1], 0.4), 2.5)
    top_px, left_px, bottom_px, right_px = result.box
    words = [
        f"Mean |d unit / d pixel| over {result.samples} images of noise, unit {result.unit}.",
        f"White: what the unit can see, {bottom_px - top_px + 1} × {right_px - left_px + 1} pixels.",
        f"Dashed: two standard deviations, sigma {number(result.sigma[0])} × {number(result.sigma[1])} pixels.",
        f"95 % of the sensitivity lies on {percent(result.share)} of the box.",
    ]
    sheet_w = 2 * EDGE + _MAP + 1.2
    top = EDGE + 0.38
    heading = f"effective receptive field of {result.layer} · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=height + 0.1)
    axes = sheet.axes(EDGE, top, _MAP, height)
    most = max(float(values.max()), 0.0)
    # Fixed limits: a patch at the border must not push the image aside.
    axes.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))
    axes.imshow(values, cmap="inferno", vmin=0, vmax=most or 1, aspect="auto")
    size = (right_px - left_px + 1, bottom_px - top_px + 1)
    axes.add_patch(
        Rectangle((left_px - 0.5, top_px - 0.5), size[0], size[1], fill=False, edgecolor="white", linewidth=1.2)
    )
    centre, wide, high = (result.centre[1], result.centre[0]), 4 * result.sigma[1], 4 * result.sigma[0]
    axes.add_patch(Ellipse(centre, wide, high, fill=False, edgecolor="#9be9a8", linewidth=1.0, linestyle="--"))
    sheet.color_bar(
        EDGE + _MAP + 0.1,
        top,
        0.12,
        min(1.8, height),
        Scale(policy="positive", low=0.0, high=most),
        "inferno",
        "|gradient|",
    )
    return sheet.figure
