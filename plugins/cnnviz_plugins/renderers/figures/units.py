"""Values of a layer that are no map: the largest units or parts of each image as bars, beside the image."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution
from cnnviz_plugins.renderers.display import finite
from cnnviz_plugins.renderers.figures.inks import COLOURS, INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, tidy
from cnnviz_plugins.renderers.images import channel_note, rgb
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.text import caption_of, number, unit_of

_PANEL, _GAP, _NAMES, _BARS = 1.9, 0.2, 0.55, 4.0
_MOST = 12
"""Bars of one image: as many as can be read."""


def units_figure(attribution: Attribution, options: HeatOptions) -> Figure:
    """Return one row per image: the image, and its units or parts with the largest values, by size; signed.

    Raises:
        RenderError: A value is not finite.
    """
    per_part = attribution.extras.get("per_segment")
    values = finite(np.asarray(attribution.values if per_part is None else per_part))[: options.limit]
    what = "units" if per_part is None else "parts"
    images = np.asarray(attribution.images)
    rows = values.reshape(len(values), -1)
    count = min(_MOST, rows.shape[1])
    panel_w = _PANEL * images.shape[2] / images.shape[1]
    width = 2 * EDGE + panel_w + _GAP + _NAMES + _BARS + 0.5
    largest = float(np.abs(rows).max()) or 1.0
    shown = f"{count} of {rows.shape[1]} {what}, by size" if count < rows.shape[1] else f"all {count} {what}, by size"
    own = "one scale for all" if options.scale == "shared" else "own scale for each"
    words = [f"{shown}; {own}; unit: {unit_of(attribution)}", channel_note(images.shape[-1])]
    left_out = len(images) - len(values)
    words += [f"{left_out} more images are not shown (limit={options.limit})"] if left_out else []
    provenance = attribution.provenance
    top, row_h = EDGE + 0.3, 0.36 + _PANEL + 0.3
    heading = f"{provenance.technique} at {provenance.layer or 'layer'} · {provenance.model}"
    sheet = Sheet.with_caption(heading, words, attribution.warnings, width=width, top=top, body=len(values) * row_h)
    for k, one in enumerate(rows):
        sheet.text(EDGE, top + 0.08, caption_of(attribution, k, int(width * 11)))
        sheet.axes(EDGE, top + 0.36, panel_w, _PANEL).imshow(rgb(images[k]))
        sheet.note(EDGE, top + 0.36 + _PANEL + 0.05, _below(one, what))
        best = np.argsort(-np.abs(one), kind="stable")[:count]
        axes = sheet.axes(EDGE + panel_w + _GAP + _NAMES, top + 0.36, _BARS, _PANEL, frame=True)
        colours = [COLOURS[1] if value >= 0 else COLOURS[0] for value in one[best]]
        axes.barh(np.arange(count), one[best], color=colours, height=0.75)
        names = [",".join(map(str, np.unravel_index(unit, values.shape[1:]))) for unit in best]
        axes.set_yticks(np.arange(count), names, fontsize=SMALL_PT)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.grid(axis="x", color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)
        reach = 1.08 * (largest if options.scale == "shared" else float(np.abs(one).max()) or 1.0)
        drawn = one[best]
        axes.set(xlim=(-reach if drawn.min() < 0 else 0, reach if drawn.max() > 0 or not drawn.any() else 0))
        axes.set_ylim(count - 0.5, -0.5)
        tidy(axes)
        top += row_h
    return sheet.figure


def _below(values: Float[np.ndarray, " units"], what: str) -> str:
    """Return what stands below the image: the sum, which parts do not have."""
    if not values.any():
        return "all zero"
    return f"sum {number(values.sum())}" if what == "units" else ""
