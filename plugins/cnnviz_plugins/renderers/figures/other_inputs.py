"""Attributions of inputs that are no images: curves with a strip of colour, and slices through volumes."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution, RenderError
from cnnviz_plugins.renderers.colormaps import colormap
from cnnviz_plugins.renderers.figures.cells import MOST_LINES, curves, in_grey
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, plotted
from cnnviz_plugins.renderers.heats import Heat, heats
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.text import caption_of, unit_of

_BAR, _TICKS, _GAP = 0.12, 0.75, 0.14
_WIDE, _CURVE, _STRIP = 6.4, 1.1, 0.22
_SLICE = 1.9


def other_inputs_figure(attribution: Attribution, options: HeatOptions) -> Figure:
    """Return one row per series or vector, or per volume, at most `options.limit`.

    A series is its channels as curves over time, with the map as a strip of colour below. A volume is three slices
    through the place of its largest |value|, and the largest |value| along its depth, over grey.

    Raises:
        RenderError: The result holds a layer's channels, which have no figure here.
    """
    if not attribution.has_map:
        raise RenderError("channel maps of series and volumes have no figure; plot result.values")
    shown = heats(attribution, options)[: options.limit]
    inputs = np.asarray(attribution.images)
    is_volume = inputs.ndim == 5
    row = 0.36 + (_SLICE if is_volume else _CURVE + _STRIP + 0.3) + _GAP + (0.24 if is_volume else 0)
    width = 2 * EDGE + (4 * _SLICE + 3 * _GAP if is_volume else _WIDE) + _GAP + _BAR + _TICKS
    provenance = attribution.provenance
    layer = f" at {provenance.layer}" if provenance.layer else ""
    words = [shown[0].caption]
    words += ["slices pass through the largest |value|"] if is_volume else []
    left_out = len(inputs) - len(shown)
    words += [f"{left_out} more are not shown (limit={options.limit})"] if left_out else []
    top = EDGE + 0.3
    sheet = Sheet.with_caption(
        f"{provenance.technique}{layer} · {provenance.model}", words, attribution.warnings,
        width=width, top=top, body=len(shown) * row,
    )  # fmt: skip
    for k, heat in enumerate(shown):
        sheet.text(EDGE, top + 0.08, caption_of(attribution, k, int(width * 11)))
        draw = _slices if is_volume else _curves
        high = draw(sheet, inputs[k], heat, top + 0.36, options)
        left = width - EDGE - _BAR - _TICKS + 0.1
        sheet.color_bar(left, top + 0.36, _BAR, high, heat.scale, heat.colormap, unit_of(attribution))
        top += row
    return sheet.figure


def _curves(sheet: Sheet, series: Float[np.ndarray, "t ..."], heat: Heat, top: float, options: HeatOptions) -> float:
    axes = plotted(sheet.axes(EDGE + 0.35, top, _WIDE - 0.35, _CURVE, frame=True))
    curves(axes, series)
    if series.ndim > 1 and series.shape[1] > MOST_LINES:
        axes.set_title(f"{MOST_LINES} of {series.shape[1]} channels", fontsize=SMALL_PT, loc="left")
    edges = (-0.5, len(series) - 0.5)
    axes.set(xlim=edges, xticks=[])
    strip = sheet.axes(EDGE + 0.35, top + _CURVE + 0.04, _WIDE - 0.35, _STRIP, frame=True)
    strip.imshow(heat.levels[None], cmap=colormap(heat.colormap), vmin=0, vmax=1, aspect="auto", extent=(*edges, 0, 1))
    strip.set(yticks=[])
    strip.tick_params(length=2, pad=2)
    return _CURVE + 0.04 + _STRIP


def _slices(sheet: Sheet, volume: Float[np.ndarray, "d h w c"], heat: Heat, top: float, options: HeatOptions) -> float:
    shape = volume.shape[:3]
    grey = in_grey(volume)
    strength = np.abs(heat.values)
    at = [int(k) for k in np.unravel_index(int(strength.argmax()), shape)]
    steepest = strength.argmax(0)[None]
    projected = np.take_along_axis(heat.levels, steepest, 0)[0]
    panels: list[tuple[str, Any, Any]] = [
        (f"{name} {at[axis]} of {shape[axis]}", grey.take(at[axis], axis), heat.levels.take(at[axis], axis))
        for axis, name in enumerate(("depth", "row", "column"))
    ]
    panels.append(("largest |value| along depth", grey.max(0), projected))
    for k, (words, under, levels) in enumerate(panels):
        left = EDGE + k * (_SLICE + _GAP)
        axes = sheet.axes(left, top, _SLICE, _SLICE)
        axes.imshow(under, cmap="gray", vmin=0, vmax=1)
        axes.imshow(levels, cmap=colormap(heat.colormap), vmin=0, vmax=1, alpha=options.opacity)
        sheet.note(left, top + _SLICE + 0.05, words)
    return _SLICE
