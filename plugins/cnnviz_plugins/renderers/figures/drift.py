"""A training's checkpoints compared: each layer's way to what it becomes, by step."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Drift
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, line_style, plotted
from cnnviz_plugins.renderers.options import DifferenceOptions
from cnnviz_plugins.renderers.text import left_out, percent, plain

_PANEL_W, _PANEL_H, _GAP_X, _GAP_Y, _LEGEND = 3.2, 1.75, 0.65, 0.7, 1.8


def drift_figure(result: Drift, options: DifferenceOptions) -> Figure:
    """Return one curve per layer: CKA with the end, with the next checkpoint, same units, and predictions."""
    layers = range(min(len(result.layers), options.limit))
    panels: list[tuple[str, Sequence[tuple[int, Float[np.ndarray, " s"]]]]] = [
        (f"CKA with {result.end}", [(k, result.to_end[:, k]) for k in layers]),
        ("CKA with the next checkpoint", [(k, result.to_next[:, k]) for k in layers]),
        ("mean correlation of a unit with itself, next", [(k, result.same_unit[:, k]) for k in layers]),
    ]
    answers = [
        (k, each)
        for k, each in enumerate((result.churn_to_end, result.churn, result.accuracy))
        if each is not None and len(each)
    ]
    if answers:
        panels.append(("predictions", answers))
    top = EDGE + 0.42
    width = 2 * EDGE + 2 * (_PANEL_W + _GAP_X) + _LEGEND
    body = -(-len(panels) // 2) * (_PANEL_H + _GAP_Y)
    body = max(body, len(layers) * 0.16 + 0.3)
    heading = f"drift of {result.provenance.model} · {len(result.steps)} checkpoints · {result.image_count} images"
    sheet = Sheet.with_caption(heading, _words(result, len(layers)), result.warnings, width=width, top=top, body=body)
    for place, (title, curves) in enumerate(panels):
        left = EDGE + place % 2 * (_PANEL_W + _GAP_X)
        y = top + place // 2 * (_PANEL_H + _GAP_Y)
        sheet.text(left, y, plain(title, 50))
        axes = plotted(sheet.axes(left + 0.35, y + 0.22, _PANEL_W - 0.35, _PANEL_H - 0.2, frame=True))
        for line, values in curves:
            axes.plot(result.steps[: len(values)], values, linewidth=1.3, **line_style(line))
        axes.set_xlabel("step", fontsize=SMALL_PT)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if title == "predictions":
            axes.set_ylim(-0.02, 1.02)
    left = EDGE + 2 * (_PANEL_W + _GAP_X)
    for k in layers:
        mark = sheet.axes(left, top + 0.02 + k * 0.16, 0.25, 0.13)
        mark.plot([0, 1], [0.5, 0.5], linewidth=1.6, **line_style(k))
        mark.set(xlim=(0, 1), ylim=(0, 1))
        sheet.text(left + 0.32, top + k * 0.16, plain(result.layers[k], 22), size=SMALL_PT)
    return sheet.figure


def _words(result: Drift, shown: int) -> list[str]:
    lines = []
    if result.churn_to_end is not None:
        names = ["churn with the end", "churn with the next checkpoint", "accuracy"]
        present = [result.churn_to_end, result.churn, result.accuracy]
        said = ", ".join(
            f"{name} ({style})"
            for name, each, style in zip(names, present, ("blue", "orange", "green"), strict=True)
            if each is not None
        )
        lines.append(f"Predictions: {said}.")
    died, revived = int(result.died.sum()), int(result.revived.sum())
    own = percent(float(np.nanmean(result.own_best[-1])))
    lines.append(
        f"Units that died between checkpoints: {died}, that revived: {revived}. At the last step {own} of living units"
        " are their own best match."
    )
    return lines + left_out(len(result.layers) - shown, "layers")
