"""Figures of measures: curves or bars for one, and a ranked table with the curves behind it for several techniques."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cnnviz_jax.plugin import Comparison, Measurement
from cnnviz_plugins.renderers.display import finite
from cnnviz_plugins.renderers.figures.sheet import (
    FAINT,
    INK,
    RULE,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Sheet,
    lines_height,
    wrapped,
)
from cnnviz_plugins.renderers.options import MeasureOptions
from cnnviz_plugins.renderers.text import number, plain

_EDGE = 0.3
# Okabe and Ito's colours, told apart by all common kinds of colour vision, with line styles as a second sign.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))


def measurement_figure(result: Measurement, options: MeasureOptions) -> Figure:
    """Return each image's curve and their mean, or, for a measure without a curve, one bar per image."""
    sheet = Sheet(6.4, 4.4)
    provenance = result.provenance
    whose = f" of {result.explained_by}" if result.explained_by else ""
    sheet.text(_EDGE, _EDGE - 0.05, plain(f"{provenance.technique}{whose} · {provenance.model}", 70), size=TITLE_PT,
               fontweight="bold")  # fmt: skip
    axes = _axes(sheet, 0.75, 0.75, 5.3, 2.65)
    values = finite(np.asarray(result.values, np.float64))
    if result.curve is not None and np.shape(result.curve)[-1] > 1:
        curve = finite(np.asarray(result.curve, np.float64))
        for row in curve[: options.limit]:
            axes.plot(result.at, row, color=FAINT, linewidth=0.6, alpha=0.5)
        axes.plot(result.at, curve.mean(0), color=_COLOURS[0], linewidth=1.8)
        _name_points(axes, result)
        words = f"thick: mean of {len(curve)} images; thin: each of {min(len(curve), options.limit)}"
    else:
        shown = values[: options.limit]
        axes.bar(np.arange(len(shown)), shown, color=_COLOURS[0], width=0.7)
        axes.axhline(values.mean(), color=_COLOURS[1], linewidth=1.2)
        axes.set_xlabel("image", fontsize=TEXT_PT)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        words = f"one bar per image, the first {len(shown)} of {len(values)}; line: the mean of all"
    words += f". {provenance.technique}: mean {number(float(values.mean()), 4)}; {result.better} is better"
    words = "\n".join([words, *(f"Warning: {warning}" for warning in result.warnings)])
    sheet.text(_EDGE, 3.95, wrapped(plain(words, 300), 5.8, SMALL_PT), size=SMALL_PT, color=FAINT)
    return sheet.figure


def comparison_figure(result: Comparison, options: MeasureOptions) -> Figure:
    """Return the table, the most faithful technique first, then one panel of mean curves per measure that has some."""
    rows = result.rows()[: options.limit]
    curved = [metric for metric in result.metrics if _has_curve(result, metric)]
    column_w, name_w, row_h, panel_h = 1.3, 2.0, 0.2, 2.3
    sheet_w = max(2 * _EDGE + name_w + column_w * (len(result.metrics) + 2), 6.9)
    across = max(1, int((sheet_w - 2 * _EDGE) // 3.2))
    lines = -(-len(curved) // across)
    words = wrapped(plain(_caption(result, len(result.techniques) - len(rows)), 1500), sheet_w - 2 * _EDGE, SMALL_PT)
    top = _EDGE + 0.35
    height = top + 0.45 + row_h * len(rows) + 0.3 + lines * (panel_h + 0.75) + lines_height(words, SMALL_PT) + _EDGE
    sheet = Sheet(sheet_w, height)
    count = len(result.images)
    title = f"which map is faithful · {result.model} · {count} image{'s' if count > 1 else ''}"
    sheet.text(_EDGE, _EDGE - 0.05, plain(title, int(sheet_w * 11)), size=TITLE_PT, fontweight="bold")
    _table(sheet, result, rows, top, (name_w, column_w, row_h))
    top += 0.45 + row_h * len(rows) + 0.3
    panel_w = (sheet_w - 2 * _EDGE) / across
    for place, metric in enumerate(curved):
        left = _EDGE + place % across * panel_w
        names = [row["technique"] for row in rows]
        corner = (left, top + place // across * (panel_h + 0.75))
        _curves(sheet, result, metric, names, corner, (panel_w, panel_h))
    top += lines * (panel_h + 0.75)
    sheet.text(_EDGE, top, words, size=SMALL_PT, color=FAINT)
    return sheet.figure


def _table(sheet: Sheet, result: Comparison, rows: list[dict[str, Any]], top: float, sizes: tuple[float, ...]) -> None:
    name_w, column_w, row_h = sizes
    heads = [*result.metrics, "mean place", "seconds"]
    for place, head in enumerate(heads):
        left = _EDGE + name_w + place * column_w
        arrow = {"higher": "\n(higher is better)", "lower": "\n(lower is better)"}.get(_better(result, head), "\n")
        sheet.text(left, top, plain(head, 24) + arrow, size=SMALL_PT - 0.5, color=FAINT)
    best = {metric: min(result.ranks(metric).values(), default=0.0) for metric in result.metrics}
    for line, row in enumerate(rows):
        at = top + 0.45 + line * row_h
        mark = sheet.axes(_EDGE, at + 0.02, 0.12, row_h - 0.08)
        mark.plot([0, 1], [0.5, 0.5], linewidth=1.8, **_style(line))
        mark.set(xlim=(0, 1), ylim=(0, 1))
        sheet.text(_EDGE + 0.2, at, plain(row["technique"], 26), size=TEXT_PT)
        for place, head in enumerate(heads):
            value = row.get(head)
            ranks = result.ranks(head) if head in result.metrics else {}
            is_best = row["technique"] in ranks and ranks[row["technique"]] == best[head]
            shown = "-" if value is None else number(float(value), 3)
            sheet.text(_EDGE + name_w + place * column_w, at, shown, size=TEXT_PT,
                       fontweight="bold" if is_best else "normal")  # fmt: skip


def _curves(
    sheet: Sheet,
    result: Comparison,
    metric: str,
    names: list[str],
    corner: tuple[float, float],
    size: tuple[float, float],
) -> None:
    left, top = corner
    sheet.text(left, top, plain(f"{metric}: mean curves", 40), size=TEXT_PT)
    axes = _axes(sheet, left + 0.5, top + 0.25, size[0] - 0.65, size[1] - 0.35)
    for line, name in enumerate(names):
        found = result.measurements[name].get(metric)
        if found is None or found.curve is None:
            continue
        axes.plot(found.at, finite(np.asarray(found.curve, np.float64)).mean(0), linewidth=1.3, **_style(line))
        _name_points(axes, found)


def _axes(sheet: Sheet, left: float, top: float, width: float, height: float) -> Axes:
    axes = sheet.axes(left, top, width, height, frame=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return axes


def _name_points(axes: Axes, result: Measurement) -> None:
    axes.set_xlabel(result.axis, fontsize=SMALL_PT, color=INK)
    if result.labels and len(result.labels) <= 12:
        shown = [plain(label, 14) for label in result.labels]
        axes.set_xticks(result.at, shown, rotation=35, ha="right", fontsize=SMALL_PT - 1.5)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))


def _style(line: int) -> dict[str, Any]:
    return {"color": _COLOURS[line % 7], "linestyle": _DASHES[line // 7 % 4]}


def _has_curve(result: Comparison, metric: str) -> bool:
    found = [by[metric] for by in result.measurements.values() if metric in by]
    return any(each.curve is not None and np.shape(each.curve)[-1] > 1 for each in found)


def _better(result: Comparison, metric: str) -> str:
    return next((by[metric].better for by in result.measurements.values() if metric in by), "")


def _caption(result: Comparison, left_out: int) -> str:
    words = ["mean over images; bold: best by that measure; mean place: over all measures, 1 is best."]
    words += [f"{left_out} more techniques are not shown."] if left_out else []
    words += [f"{name} is left out: {reason}." for name, reason in list(result.refused.items())[:4]]
    words += [f"{len(result.refused) - 4} more are left out."] if len(result.refused) > 4 else []
    words += [f"Warning: {warning}" for warning in result.warnings]
    return " ".join(words)
