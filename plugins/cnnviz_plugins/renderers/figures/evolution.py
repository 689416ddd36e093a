"""A training: strips of filters, decision lines and synthesised units, how far the weights moved, how units answer."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Evolution, line_of
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, empty_cell, tidy
from cnnviz_plugins.renderers.images import channel_note, painted, rgb
from cnnviz_plugins.renderers.options import EvolutionOptions
from cnnviz_plugins.renderers.text import number, plain

_GAP, _VALUE = 0.08, 0.17
_SHORT = {"no_gradient": "no\ngradient", "not_reached": "not\nreached", "dead": "dead", "diverged": "diverged"}


def unit_size(result: Evolution, options: EvolutionOptions, width: float) -> tuple[int, float]:
    """Return how many units are drawn, and the height in inches of an image of that width; none, 0."""
    if result.images is None:
        return 0, 0.0
    height, wide = result.images.shape[2:4]
    return min(len(result.units), options.limit), width * height / wide


def unit_row_in(image_h: float) -> float:
    """Return the height in inches of a row: the image, its activation, a gap."""
    return image_h + _VALUE + _GAP


def units_title(result: Evolution) -> str:
    """Return what stands over the images."""
    return f"what excites units of {result.synthesised}"


def draw_unit(axes: Axes, result: Evolution, step: int, unit: int) -> None:
    """Draw one unit's image at one step, or why there is none to believe."""
    assert result.images is not None  # said by unit_size
    status = result.status[step][unit]
    if status == "ok":
        axes.imshow(rgb(result.images[step, unit]), aspect="auto")
    else:
        empty_cell(axes, _SHORT[status])


def reached(result: Evolution, step: int, unit: int) -> str:
    """Return the activation that an image reaches."""
    assert result.activation is not None  # said by unit_size
    return number(float(result.activation[step, unit]))


_TILE, _LINES, _PLOT, _PLOT_H, _KEY = 0.6, 1.25, 2.6, 1.6, 0.85
_CLASSES = ("#0b66c3", "#d1242f", "#1a7f37", "#8250df", "#9a6700", "#57606a")
_IMAGE = 0.8


def evolution_figure(result: Evolution, options: EvolutionOptions) -> Figure:
    """Return the strips, and below them the drift per step, the weights of the layer and the answers of its units."""
    columns = min(len(result.steps), options.columns)
    picked = np.unique(np.linspace(0, len(result.steps) - 1, columns).round().astype(int))
    size = _LINES if result.view == "lines" else _TILE if result.images is None else _IMAGE
    limit = options.limit if result.images is None else -(-options.limit // 2)
    rows = 1 if result.view == "lines" else min(result.kernel.shape[-1], limit)
    plots = 2 if result.answers is None else 3
    sheet_w = max(2 * EDGE + 0.4 + len(picked) * (size + _GAP), 2 * EDGE + plots * (_PLOT + 0.75))
    top = EDGE + 0.65
    units_top = top + rows * (size + _GAP) + (_KEY if result.view == "lines" else 0.35)
    made, image_h = unit_size(result, options, size)
    plots_top = units_top + 0.15 + made * unit_row_in(image_h) + (0.2 if made else 0)
    heading = f"{result.provenance.model} · {result.layer} · {len(result.steps)} steps"
    words, body = _words(result, rows, options), plots_top + _PLOT_H + 0.6 - top
    sheet = Sheet.with_caption(heading, words, result.warnings, width=sheet_w, top=top, body=body)
    for place, column in enumerate(picked):
        x = EDGE + 0.4 + place * (size + _GAP)
        sheet.note(x, top - 0.2, f"step {result.steps[column]}")
        for row in range(rows):
            y = top + row * (size + _GAP)
            if place == 0 and result.view == "filters":
                sheet.note(EDGE, y + 0.2, f"{row}")
            axes = sheet.axes(x, y, size, size, frame=result.view == "lines")
            if result.view == "lines":
                draw_lines(axes, result, int(column), options.extent, is_first=place == 0)
            else:
                axes.imshow(tile(result, int(column), row), aspect="auto")
    if result.view == "lines":
        _unit_key(sheet, result.kernel.shape[-1], top + size + 0.32)
    if made:
        sheet.text(EDGE, units_top - 0.17, plain(units_title(result), int(sheet_w * 12)))
    for row in range(made):
        y = units_top + 0.05 + row * unit_row_in(image_h)
        sheet.note(EDGE, y + 0.2, f"{result.units[row]}")
        for place, step in enumerate(picked.tolist()):
            x = EDGE + 0.4 + place * (size + _GAP)
            draw_unit(sheet.axes(x, y, size, image_h), result, step, row)
            sheet.note(x, y + image_h + 0.02, reached(result, step, row))
    _drift(sheet.axes(EDGE + 0.45, plots_top + 0.2, _PLOT, _PLOT_H, frame=True), result)
    sheet.text(EDGE + 0.45, plots_top, "change since the step before, relative")
    kernel = result.names.index(result.layer)
    left = EDGE + 0.45 + _PLOT + 0.65
    sheet.text(left, plots_top, "weights of the layer")
    _bands(sheet.axes(left, plots_top + 0.2, _PLOT, _PLOT_H, frame=True), result, result.quantiles[kernel])
    if result.answers is not None:
        left += _PLOT + 0.65
        sheet.text(left, plots_top, f"answers of {result.surveyed}, median unit")
        _bands(sheet.axes(left, plots_top + 0.2, _PLOT, _PLOT_H, frame=True), result, np.median(result.answers, 1))
    return sheet.figure


def tile(result: Evolution, step: int, unit: int) -> np.ndarray:
    """Return one filter at one step as pixels, w / ||w||; colour for three inputs, else the mean over inputs."""
    weights = result.kernel[step, ..., unit].astype(np.float64)
    weights = weights / max(float(np.sqrt((weights**2).sum())), 1e-12)
    if weights.shape[-1] == 3:
        most = max(float(np.abs(weights).max()), 1e-12)
        return np.round((weights / most + 1) * 127.5).astype(np.uint8)
    flat = weights.mean(-1)
    most = max(float(np.abs(flat).max()), 1e-12)
    return painted((flat / most + 1) / 2, "RdBu_r")


def unit_colours(units: int) -> np.ndarray:
    """Return a colour per unit, (units, 3) in [0, 1]."""
    return palette("viridis")[np.linspace(0, 230, max(units, 1)).astype(int)] / 255


def _unit_key(sheet: Sheet, units: int, top: float) -> None:
    """Draw which colour is which unit."""
    sheet.note(EDGE + 0.4, top + 0.01, "unit")
    axes = sheet.axes(EDGE + 0.85, top, min(0.24 * units, 5.0), 0.13, frame=True)
    axes.imshow(unit_colours(units)[None], aspect="auto")
    step = max(1, -(-units // 20))
    axes.set(yticks=[], xticks=range(0, units, step))
    axes.tick_params(length=0, pad=2, labelsize=SMALL_PT)


def draw_lines(axes: Axes, result: Evolution, step: int, extent: float, *, is_first: bool = True) -> None:
    """Draw where each unit is zero, with a tick towards its positive side, over the points if there are some.

    Args:
        axes: Where.
        result: The training.
        step: Which of its steps, by number.
        extent: Half the width of the square.
        is_first: Whether numbers stand at the left side, too.
    """
    units = result.kernel.shape[-1]
    colours = unit_colours(units)
    if result.points is not None and result.classes is not None:
        marks = [_CLASSES[each % len(_CLASSES)] for each in result.classes]
        axes.scatter(result.points[:, 0], result.points[:, 1], s=2.5, c=marks, alpha=0.5, linewidths=0, zorder=0)
    for unit in range(units):
        weights = result.kernel[step, 0, 0, :, unit].astype(np.float64)
        ends = line_of(weights, float(result.bias[step, unit]), extent)
        if len(ends) < 2:
            continue
        colour = colours[unit]
        axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=1.1)
        middle = ends.mean(0)
        tick = middle + 0.12 * extent * weights / max(float(np.hypot(*weights)), 1e-12)
        axes.plot([middle[0], tick[0]], [middle[1], tick[1]], color=colour, linewidth=0.8)
    numbers = [-extent, 0.0, extent]
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), xticks=numbers, yticks=numbers if is_first else [])
    axes.set_xticklabels([f"{each:g}" for each in numbers])
    sides: tuple[Literal["left", "center", "right"], ...] = ("left", "center", "right")
    for label, side in zip(axes.get_xticklabels(), sides, strict=True):
        label.set_horizontalalignment(side)
    axes.tick_params(length=2, pad=2, labelsize=SMALL_PT - 1)


def _drift(axes: Axes, result: Evolution) -> None:
    colours = palette("viridis")
    kernels = [row for row, name in enumerate(result.names) if name.endswith("kernel")]
    drawn = (kernels if kernels and len(result.names) > 8 else list(range(len(result.names))))[:8]
    for place, row in enumerate(drawn):
        colour = colours[int(230 * place / max(len(drawn) - 1, 1))] / 255
        name = plain(result.names[row], 18)
        axes.plot(result.steps[1:], result.drift[row, 1:], color=colour, linewidth=1.0, label=name)
    axes.legend(fontsize=SMALL_PT - 1.5, frameon=False, labelspacing=0.2, handlelength=1.2)
    _tidy(axes)


def _bands(axes: Axes, result: Evolution, quantiles: np.ndarray) -> None:
    """Draw the middle half and the middle 98 % as bands, the median as a line."""
    for low, high, opacity in ((0, 4, 0.2), (1, 3, 0.4)):
        ends = quantiles[:, low], quantiles[:, high]
        axes.fill_between(result.steps, *ends, color="#316dca", alpha=opacity, linewidth=0)
    axes.plot(result.steps, quantiles[:, 2], color="#1b1f24", linewidth=1.0)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.set_xlabel("step", fontsize=SMALL_PT)
    tidy(axes)


def _words(result: Evolution, rows: int, options: EvolutionOptions) -> list[str]:
    units = result.kernel.shape[-1]
    if result.view == "lines":
        what = f"Each line is where one of {units} units is zero, over ±{options.extent:g}; "
        what += "the tick points to above zero."
        if result.points is not None:
            what += f" Dots are {len(result.points)} points, a colour per class."
    else:
        what = f"{rows} of {units} filters, w / ‖w‖, each on its own scale, the mean over inputs unless they are three."
    words = [f"{what} Bands hold the middle half and the middle 98 %, the line is the median."]
    if result.images is not None:
        note = channel_note(result.images.shape[-1])
        words.append(
            f"Images are made to excite units of {result.synthesised}, from the same start at every step; below each "
            f"is the activation it reaches.{f' The {note}.' if note else ''}"
        )
    return words
