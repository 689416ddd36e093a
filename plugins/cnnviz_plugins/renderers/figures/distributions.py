"""Distributions: ridgelines of units, fire rates in order, classes against units."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Distributions
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.inks import INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, tidy
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_RIDGES, _ROW, _SIDE, _LABEL, _BAR = 3.4, 0.28, 3.6, 0.95, 0.75
_DEAD, _ALWAYS, _NORMAL = "#cf222e", "#bf8700", "#316dca"


def distributions_figure(result: Distributions, options: UnitOptions) -> Figure:
    """Return the figure of a layer's distributions."""
    units = result.units[: options.limit]
    has_classes = result.class_means is not None
    rates_h = 1.7
    classes_h = 0.35 + min(max(0.16 * len(result.class_names), 0.8), 4.0) + 0.45 if has_classes else 0.0
    body_h = max((len(units) + 1.2) * _ROW + 0.5, rates_h + 0.65 + classes_h)
    sheet_w = 2 * EDGE + _LABEL + _RIDGES + 1.15 + 0.75 + _SIDE + (_BAR if has_classes else 0.0)
    top = EDGE + 0.42
    heading = f"distributions of {result.layer} · {result.provenance.model} · {result.image_count} images"
    sheet = Sheet.with_caption(heading, _words(result), result.warnings, width=sheet_w, top=top, body=body_h + 0.1)
    _ridgelines(sheet, result, units, top)
    x = EDGE + _LABEL + _RIDGES + 1.15 + 0.75
    sheet.text(x, top, "fire rate of every unit, in order")
    _rates(sheet.axes(x, top + 0.22, _SIDE, rates_h, frame=True), result)
    if has_classes:
        y = top + rates_h + 0.65
        sheet.text(x, y, "strongest value, mean by class; columns are units")
        _classes(sheet, result, x, y + 0.2, classes_h - 0.6)
    return sheet.figure


def _ridgelines(sheet: Sheet, result: Distributions, units: tuple[int, ...], top: float) -> None:
    """Draw one line per unit: the share of its values in each log-linear bin."""
    used = np.flatnonzero(result.count[list(units)].sum(0))
    zero = result.count.shape[1] // 2
    first, last = min(int(used.min(initial=zero)), zero - 2), max(int(used.max(initial=zero)), zero + 2)
    axes = sheet.axes(EDGE + _LABEL, top + 0.22, _RIDGES, (len(units) + 0.9) * _ROW, frame=True)
    colours = palette("viridis")
    sheet.note(EDGE, top, "unit")
    sheet.note(EDGE + _LABEL, top, "share of values by size; the zero bin is left out and said")
    sheet.note(EDGE + _LABEL + _RIDGES + 0.1, top, "zero     above")
    for row, unit in enumerate(units):
        total = max(int(result.count[unit].sum()), 1)
        shares = result.count[unit, first : last + 1] / total
        at_zero = float(shares[zero - first])
        shares = np.where(np.arange(first, last + 1) == zero, 0, shares)
        line = row + 1 - 1.35 * shares / max(float(shares.max()), 1e-12)
        xs = np.arange(first, last + 1)
        colour = colours[int(230 * (1 - row / max(len(units) - 1, 1)))] / 255
        axes.fill_between(xs, row + 1, line, step="mid", facecolor=colour, alpha=0.75, linewidth=0, zorder=row)
        axes.step(xs, line, where="mid", color=INK, linewidth=0.5, zorder=row)
        y = top + 0.22 + (row + 1.75) * _ROW  # the line's foot
        state = "dead" if unit in result.dead else "on" if unit in result.always_on else ""
        state = "sat." if unit in result.saturated else state
        sheet.text(EDGE, y - 0.09, f"{unit} {state}", size=SMALL_PT)
        beside = f"{percent(at_zero):>8}  {percent(float(result.fire_rate[unit]))}"
        sheet.note(EDGE + _LABEL + _RIDGES + 0.08, y - 0.09, beside)
    axes.axvline(zero, color=RULE, linewidth=0.6, zorder=-1)
    axes.set(xlim=(first - 0.5, last + 0.5), ylim=(len(units) + 0.15, -0.75), yticks=[])
    tidy(axes, "left", "right", "top")
    _value_ticks(axes, result.edges, zero, first, last)


def _value_ticks(axes: Axes, edges: Float[np.ndarray, " e"], zero: int, first: int, last: int) -> None:
    """Mark powers of ten where their bins stand, thinned to what fits."""
    inner = edges[zero + 2 : -1]
    places, words = [zero], ["0"]
    for power in range(-6, 7):
        at = int(np.searchsorted(inner, 10.0**power)) + 1
        for sign in (-1, 1):
            place = zero + sign * at
            is_free = all(abs(place - other) > 0.07 * (last - first) for other in places)
            if inner[0] <= 10.0**power <= inner[-1] and first <= place <= last and is_free:
                places.append(place)
                words.append(number(sign * 10.0**power))
    axes.set_xticks(places, words)


def _rates(axes: Axes, result: Distributions) -> None:
    order = np.argsort(-result.fire_rate, kind="stable")
    colour = [_DEAD if u in result.dead else _ALWAYS if u in result.always_on else _NORMAL for u in order.tolist()]
    axes.bar(range(len(order)), 100 * result.fire_rate[order], width=1.0, color=colour, linewidth=0)
    axes.plot(range(len(order)), 100 * result.image_rate[order], ".", color=INK, markersize=2.2)
    for at in np.flatnonzero(np.isin(order, result.dead)):
        axes.plot(at, 1.5, "x", color=_DEAD, markersize=4)
    axes.set(xlim=(-0.6, len(order) - 0.4), ylim=(0, 103), xlabel="unit's place in that order")
    axes.set_ylabel("% of positions (bars), of images (dots)", fontsize=SMALL_PT)
    axes.xaxis.label.set_fontsize(SMALL_PT)
    tidy(axes)


def _classes(sheet: Sheet, result: Distributions, x: float, y: float, height: float) -> None:
    means = np.asarray(result.class_means)
    most = means.max(0)
    axes = sheet.axes(x + 0.9, y, _SIDE - 0.9, height, frame=True)
    axes.imshow(means / np.where(most > 0, most, 1), aspect="auto", cmap="viridis", vmin=0, vmax=1)
    if len(means) <= 30:
        axes.set_yticks(range(len(means)), [plain(name, 14) for name in result.class_names])
    axes.tick_params(length=2, pad=2)
    share = Scale(policy="positive", low=0.0, high=1.0)
    sheet.color_bar(x + _SIDE + 0.1, y, 0.1, height, share, "viridis", "of the unit's largest")


def _words(result: Distributions) -> list[str]:
    count = len(result.fire_rate)
    groups = "; ".join("=".join(map(str, group)) for group in result.twins[:8])
    return [
        f"{count} units: {len(result.dead)} dead{_listed(result.dead)} (red), "
        f"{len(result.always_on)} always above zero{_listed(result.always_on)} (yellow), "
        f"{len(result.saturated)} saturated{_listed(result.saturated)}; "
        + (f"twins by correlation: {groups}" if groups else "no twins by correlation")
        + f" (over {result.sampled} sampled positions).",
        "Ridgelines: log-linear bins, each line scaled to its own peak.",
    ]


def _listed(units: tuple[int, ...]) -> str:
    return f" ({', '.join(map(str, units[:10]))}{', ...' if len(units) > 10 else ''})" if units else ""
