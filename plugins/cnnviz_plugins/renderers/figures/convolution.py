"""One kernel over one image: input, kernel, response and pooled response side by side, and one window worked out."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz_jax.plugin import Convolution
from cnnviz_plugins.renderers.figures.inks import INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, TEXT_PT, TITLE_PT, Sheet, outlined, wrapped
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number

_MAP, _GAP, _CELL = 2.1, 0.3, 0.42
_WORKED = 49


def convolution_figure(result: Convolution, options: UnitOptions) -> Figure:
    """Return the maps with their sizes, and below them the window times the kernel, number by number."""
    panels: list[tuple[str, Float[np.ndarray, "h w"]]] = [("input", result.image), ("response", result.response)]
    panels += [] if result.pooled is None else [(f"{result.provenance.config.pool} pooled", result.pooled)]
    high, wide = result.kernel.shape
    worked = result.kernel.size <= _WORKED
    kernel_w = max(wide * _CELL, 1.1)
    height = _MAP * min(max(result.image.shape[0] / result.image.shape[1], 0.4), 2.0)
    body_h = max(height, high * _CELL)
    window_h = high * _CELL + 0.35 if worked else 0.3
    sheet_w = 2 * EDGE + len(panels) * (_MAP + _GAP) + kernel_w
    sheet_w = max(sheet_w, 2 * EDGE + 3 * (wide * _CELL + 0.35) + 1.2 if worked else 0)
    top = EDGE + 0.65
    sheet = Sheet(sheet_w, top + body_h + 0.45 + window_h + EDGE)
    sheet.heading(f"{result.kernel_name} over {result.provenance.model}")
    x = EDGE
    for place, (name, values) in enumerate(panels):
        sheet.text(x, top - 0.2, f"{name}, {values.shape[0]} × {values.shape[1]}")
        axes = sheet.axes(x, top, _MAP, height)
        is_input = place == 0
        most = max(float(np.abs(values).max()), 1e-12)
        signed = not is_input and bool((values < 0).any())
        least, colours = (-most, "RdBu_r") if signed else (0, "gray")
        axes.imshow(values, cmap=colours, vmin=least, vmax=1 if is_input else most, aspect="auto")
        if place < 2:
            _mark(axes, result, is_input=is_input)
        if not is_input:
            low, high = ("blue", "red") if signed else ("black", "white")
            sheet.note(x, top + height + 0.05, f"{low} {number(least)} to {high} {number(most)}")
        x += _MAP + _GAP
        if is_input:
            sheet.text(x, top - 0.2, f"kernel, {high} × {wide}")
            _table(sheet, (x, top), result.kernel, shown=worked)
            x += kernel_w + _GAP
    _window(sheet, result, top + body_h + 0.45, worked=worked)
    return sheet.figure


def _mark(axes: Axes, result: Convolution, *, is_input: bool) -> None:
    row, column = result.at
    high, wide = result.kernel.shape if is_input else (1, 1)
    if is_input:
        config = result.provenance.config
        before = [(k - 1) // 2 if config.padding == "same" else 0 for k in result.kernel.shape]
        row, column = row * config.stride - before[0], column * config.stride - before[1]
    outlined(axes, (column - 0.5, row - 0.5), wide, high)


def _table(sheet: Sheet, corner: tuple[float, float], values: Float[np.ndarray, "k l"], *, shown: bool) -> None:
    """Draw a small table of numbers, shaded by value; without numbers where it is too large."""
    high, wide = values.shape
    size = _CELL if shown else 1.1 / max(values.shape)
    axes = sheet.axes(*corner, wide * size, high * size)
    most = max(float(np.abs(values).max()), 1e-12)
    axes.imshow(values, cmap="RdBu_r", vmin=-2.2 * most, vmax=2.2 * most, aspect="auto")
    for (row, column), value in np.ndenumerate(values) if shown else ():
        axes.text(column, row, number(float(value)), ha="center", va="center", fontsize=SMALL_PT, color=INK)
    axes.add_patch(Rectangle((-0.5, -0.5), wide, high, fill=False, edgecolor=RULE, linewidth=0.8))


def _window(sheet: Sheet, result: Convolution, top: float, *, worked: bool) -> None:
    products = result.patch * result.kernel
    total = float(products.sum())
    where = f"the window in yellow gives the response at row {result.at[0]}, column {result.at[1]}"
    if not worked:
        sheet.text(EDGE, top, wrapped(f"{where}: {number(total)}", sheet.width_in - 2 * EDGE, TEXT_PT))
        return
    sheet.text(EDGE, top, where)
    high, wide = result.kernel.shape
    x, middle = EDGE, top + 0.25 + high * _CELL / 2 - 0.08
    for values, sign in ((result.patch, "×"), (result.kernel, "="), (products, "")):
        _table(sheet, (x, top + 0.25), values, shown=True)
        x += wide * _CELL + 0.1
        sheet.text(x, middle, sign, size=TITLE_PT)
        x += 0.25
    sheet.text(x - 0.2, middle, f"sum {number(total)}", size=TITLE_PT, fontweight="bold")
