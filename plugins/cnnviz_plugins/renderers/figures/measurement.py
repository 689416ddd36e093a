"""Figures of measures: curves or bars for one, and a ranked table with the curves behind it for several techniques."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Comparison, Measurement
from cnnviz_plugins.renderers.display import finite
from cnnviz_plugins.renderers.figures.inks import COLOURS, FAINT, INK
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, TEXT_PT, Sheet, line_style, plotted, wrapped
from cnnviz_plugins.renderers.options import MeasureOptions
from cnnviz_plugins.renderers.text import left_out, number, plain

_NAME_W, _COLUMN_W, _ROW_H, _HEAD_H, _PANEL_H = 1.7, 1.5, 0.2, 0.5, 2.1
"""In inches: names, a column, a row and the heads of the table, a panel of curves."""
_MOST_UNITS = 4.4
"""Columns on a line of the table: with names 8.9 inches, of which a page of text shows every digit."""
_PLOT = ""
"""The head of the plot of places."""


def measurement_figure(result: Measurement, options: MeasureOptions) -> Figure:
    """Return each image's curve and their mean, or, for a measure without a curve, one bar per image."""
    sheet = Sheet(6.4, 4.4)
    provenance = result.provenance
    whose = f" of {result.explained_by}" if result.explained_by else ""
    sheet.heading(f"{provenance.technique}{whose} · {provenance.model}")
    axes = plotted(sheet.axes(0.75, 0.75, 5.3, 2.65, frame=True))
    defined = ~np.isnan(np.asarray(result.values))
    values = finite(np.asarray(result.values, np.float64)[defined])
    if not values.size:
        axes.set_axis_off()
        words = f"undefined for all {len(defined)} images"
    elif result.curve is not None and np.shape(result.curve)[-1] > 1:
        curve = _defined_curves(result)
        for row in curve[: options.limit]:
            axes.plot(result.at, row, color=FAINT, linewidth=0.6, alpha=0.5)
        axes.plot(result.at, curve.mean(0), color=COLOURS[0], linewidth=1.8)
        _name_points(axes, result)
        words = f"thick: mean of {len(curve)} images; thin: each of {min(len(curve), options.limit)}"
    else:
        shown = values[: options.limit]
        axes.bar(np.flatnonzero(defined)[: options.limit], shown, color=COLOURS[0], width=0.7)
        axes.axhline(values.mean(), color=COLOURS[1], linewidth=1.2)
        axes.set_xlabel("image", fontsize=TEXT_PT)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        words = f"one bar per image, the first {len(shown)} of {len(values)}; line: the mean of all"
    mean = number(result.mean, 4) if values.size else "undefined"
    words += f". {provenance.technique}: mean {mean}; {result.better} is better"
    words = "\n".join([words, *(f"Warning: {warning}" for warning in result.warnings)])
    sheet.note(EDGE, 3.95, wrapped(plain(words, 300), 5.8, SMALL_PT))
    return sheet.figure


def _defined_curves(result: Measurement) -> Float[np.ndarray, "n points"]:
    """The curves of the images for which the measure is defined."""
    return finite(np.asarray(result.curve, np.float64)[~np.isnan(np.asarray(result.values))])


def comparison_figure(result: Comparison, options: MeasureOptions) -> Figure:
    """Return the table, the most faithful technique first, then one panel of mean curves per measure that has some.

    The table's columns flow into as many lines as keep the figure readable on a page.
    """
    rows = result.rows()[: options.limit]
    curved = [metric for metric in result.metrics if _has_curve(result, metric)]
    table = _column_lines(result)
    line_h = _HEAD_H + _ROW_H * len(rows) + 0.3
    sheet_w = 2 * EDGE + _NAME_W + _COLUMN_W * max(sum(_units(head) for head in heads) for heads in table)
    across = max(1, int((sheet_w - 2 * EDGE) // 2.6))
    lines = -(-len(curved) // across)
    words = plain(_caption(result, len(result.techniques) - len(rows)), 1500)
    top, panels_h = EDGE + 0.35, lines * (_PANEL_H + 0.75)
    count = len(result.images)
    title = f"which map is faithful · {result.model} · {count} image{'s' if count > 1 else ''}"
    sheet = Sheet.with_caption(title, [words], (), width=sheet_w, top=top, body=line_h * len(table) + panels_h)
    for heads in table:
        _table(sheet, result, rows, top, heads)
        top += line_h
    panel_w = (sheet_w - 2 * EDGE) / across
    for place, metric in enumerate(curved):
        left = EDGE + place % across * panel_w
        y = top + place // across * (_PANEL_H + 0.75)
        sheet.text(left, y, plain(f"{metric}: mean curves", int(panel_w * 15)))
        axes = plotted(sheet.axes(left + 0.5, y + 0.25, panel_w - 0.65, _PANEL_H - 0.35, frame=True))
        for line, row in enumerate(rows):
            found = result.measurements[row["technique"]].get(metric)
            if found is not None and found.curve is not None:
                curves = _defined_curves(found)
                if len(curves):
                    axes.plot(found.at, curves.mean(0), linewidth=1.3, **line_style(line))
                _name_points(axes, found)
    return sheet.figure


def _units(head: str) -> float:
    """How many columns' width a column takes."""
    return 1.4 if head == _PLOT else 1.0


def _column_lines(result: Comparison) -> list[list[str]]:
    """Return the heads of each line of the table: measures, and the places last, which stay together."""
    lines: list[list[str]] = [[]]
    for group in [*([metric] for metric in result.metrics), ["seconds", "mean place", _PLOT]]:
        if lines[-1] and sum(map(_units, [*lines[-1], *group])) > _MOST_UNITS:
            lines.append([])
        lines[-1].extend(group)
    return lines


def _table(sheet: Sheet, result: Comparison, rows: list[dict[str, Any]], top: float, heads: list[str]) -> None:
    for line, row in enumerate(rows):
        at = top + _HEAD_H + line * _ROW_H
        mark = sheet.axes(EDGE, at + 0.02, 0.12, _ROW_H - 0.08)
        mark.plot([0, 1], [0.5, 0.5], linewidth=1.8, **line_style(line))
        mark.set(xlim=(0, 1), ylim=(0, 1))
        sheet.text(EDGE + 0.2, at, plain(row["technique"], 24))
    left = EDGE + _NAME_W
    for head in heads:
        if head == _PLOT:
            _rank_plot(sheet, rows, left, top)
            continue
        name = wrapped(plain(head, 48), _COLUMN_W - 0.1, SMALL_PT)
        better = {"higher": "higher is better", "lower": "lower is better"}.get(_better(result, head), "")
        sheet.text(left, top, f"{name}\n{better}", size=SMALL_PT, color=FAINT)
        for line, row in enumerate(rows):
            value, at = row.get(head), top + _HEAD_H + line * _ROW_H
            shown = "-" if value is None else _short(float(value), 3)
            sheet.text(left, at, shown, fontweight="bold" if head in row["leads"] else "normal")
            if head in row["intervals"] and value is not None:
                low, high = (_short(end, 2) for end in row["intervals"][head])
                beside = left + max(0.42, 0.085 * len(shown) + 0.04)
                sheet.text(beside, at + 0.02, f"{low} to {high}", size=SMALL_PT - 1, color=FAINT)
        left += _COLUMN_W


def _short(value: float, digits: int) -> str:
    """A number in a narrow column: thousands as `6.6k`, whole numbers below without an exponent."""
    if 1000 <= abs(value) < 1e6:
        return f"{number(value / 1000, max(digits, 3) if abs(value) >= 1e5 else digits)}k"
    return number(value, max(digits, 3) if abs(value) >= 100 else digits)


def _rank_plot(sheet: Sheet, rows: list[dict[str, Any]], left: float, top: float) -> None:
    """A dot at each technique's mean place, beside its row, and a line over its 95 % interval."""
    sheet.text(left, top, "mean place\nline: 95 % interval", size=SMALL_PT, color=FAINT)
    axes = plotted(sheet.axes(left, top + _HEAD_H, _units(_PLOT) * _COLUMN_W - 0.1, _ROW_H * len(rows), frame=True))
    for line, row in enumerate(rows):
        colour = line_style(line)["color"]
        if "mean place" in row["intervals"]:
            axes.plot(row["intervals"]["mean place"], [line, line], color=colour, linewidth=1.2)
        if row["mean place"] is not None:
            axes.plot([row["mean place"]], [line], "o", color=colour, markersize=3.5)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0.5, len(rows) + 0.5), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _name_points(axes: Axes, result: Measurement) -> None:
    axes.set_xlabel(result.axis, fontsize=SMALL_PT, color=INK)
    if result.labels and len(result.labels) <= 12:
        shown = [plain(label, 14) for label in result.labels]
        axes.set_xticks(result.at, shown, rotation=35, ha="right", fontsize=SMALL_PT - 1.5)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))


def _has_curve(result: Comparison, metric: str) -> bool:
    found = [by[metric] for by in result.measurements.values() if metric in by]
    return any(each.curve is not None and np.shape(each.curve)[-1] > 1 for each in found)


def _better(result: Comparison, metric: str) -> str:
    return next((by[metric].better for by in result.measurements.values() if metric in by), "")


def _caption(result: Comparison, hidden: int) -> str:
    count = len(result.images)
    words = ["mean over images and its 95 % interval, by bootstrap over the images;" if count > 1 else "one image;"]
    words += ["bold: best by that measure, or cannot be told apart from it, paired by image;"] if count > 1 else []
    words += ["mean place: over all measures, 1 is best."]
    words += left_out(hidden, "techniques")
    words += [f"{name} is left out: {reason}." for name, reason in list(result.refused.items())[:4]]
    words += [f"{len(result.refused) - 4} more are left out."] if len(result.refused) > 4 else []
    words += [f"Warning: {warning}" for warning in result.warnings]
    return " ".join(words)
