"""Synthesised images as a labelled grid, and the objective over the steps as curves."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Status, Synthesis
from cnnviz_plugins.renderers.display import finite
from cnnviz_plugins.renderers.figures.cells import MOST_LINES, curves, montage
from cnnviz_plugins.renderers.figures.inks import COLOURS, INK
from cnnviz_plugins.renderers.figures.sheet import (
    EDGE,
    SMALL_PT,
    TEXT_PT,
    Sheet,
    empty_cell,
    line_style,
    plotted,
    wrapped,
)
from cnnviz_plugins.renderers.images import channel_note, rgb
from cnnviz_plugins.renderers.options import SynthesisOptions
from cnnviz_plugins.renderers.text import number, plain

STATUS_WORDS: dict[Status, str] = {
    "ok": "ok",
    "no_gradient": "no gradient at the start:\nnothing to climb",
    "not_reached": "not reached\nin {steps} steps",
    "dead": "dead: nothing tried\nmakes it active",
    "diverged": "diverged:\nnot finite",
}
"""What a status says in the place of an image; `steps` is their number."""

_GAP = 0.14
_MOST_NAMES = 24


def synthesis_figure(synthesis: Synthesis, options: SynthesisOptions) -> Figure:
    """Return the grid; a target whose status is not `ok` is an empty cell that says why.

    Series are curves, volumes a montage of slices from front to back.
    """
    images = np.asarray(synthesis.images)
    count = min(len(images), options.limit)
    columns = min(count, 8 if images.ndim > 3 else 3) if count != 9 else 3
    rows = math.ceil(count / columns)
    tile = 2.4 if images.ndim < 4 else 1.3 if columns > 4 else 1.7
    tile_h = 0.9 if images.ndim < 4 else tile * images.shape[-3] / images.shape[-2]
    step_h = tile_h + 0.42
    sheet_w = max(2 * EDGE + columns * (tile + _GAP), 5.6)
    top = EDGE + 0.35
    heading, words = _heading(synthesis), _caption(synthesis, len(images) - count)
    sheet = Sheet.with_caption(heading, words, synthesis.warnings, width=sheet_w, top=top, body=rows * step_h)
    for k in range(count):
        x, y = EDGE + k % columns * (tile + _GAP), top + k // columns * step_h
        # Beside and below a curve stand its numbers.
        left, below = (0.32, 0.2) if images.ndim < 4 else (0.0, 0.0)
        axes = sheet.axes(x + left, y, tile - left, tile_h - below)
        if synthesis.status[k] == "ok":
            _drawn(axes, images[k])
        else:
            empty_cell(axes, STATUS_WORDS[synthesis.status[k]].format(steps=synthesis.curves.shape[1]))
        sheet.text(x, y + tile_h + 0.03, plain(short_label(synthesis, k), int(tile * 15)))
        sheet.note(x, y + tile_h + 0.18, reached(synthesis, k))
    return sheet.figure


def _drawn(axes: Axes, image: Float[np.ndarray, "..."]) -> None:
    """Draw an image, a series' curves, or a volume's slices."""
    if image.ndim == 3:
        axes.imshow(rgb(image), aspect="auto")
    elif image.ndim == 4:
        axes.imshow(montage(image)[0], cmap="gray", vmin=0, vmax=1, aspect="auto")
    else:
        axes.set_axis_on()
        curves(plotted(axes), image)
        axes.tick_params(length=2, pad=2)


def curves_figure(synthesis: Synthesis, options: SynthesisOptions) -> Figure:
    """Return the objective of every target over the steps, each curve named at its end."""
    curves = np.asarray(synthesis.curves, np.float64)
    good = [k for k, status in enumerate(synthesis.status) if status == "ok"]
    shown = good[: options.limit]
    finite(curves[shown])
    sheet = Sheet(7.0, 4.7)
    sheet.heading(_heading(synthesis))
    axes = plotted(sheet.axes(0.75, 0.75, 4.6, 2.95, frame=True))
    axes.set_xlabel("step", fontsize=TEXT_PT)
    axes.set_ylabel("objective", fontsize=TEXT_PT)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for place, k in enumerate(shown):
        axes.plot(np.arange(curves.shape[1]), curves[k], linewidth=1.3, **line_style(place))
    axes.set_xlim(0, max(curves.shape[1] - 1, 1))
    _names_at_ends(sheet, synthesis, shown, axes)
    rose = sum(curves[k, -1] > curves[k, 0] for k in shown)
    words = f"{rose} of {len(shown)} curves end above their start"
    absent = [
        f"{plain(short_label(synthesis, k), 24)} ({status})"
        for k, status in enumerate(synthesis.status)
        if status != "ok"
    ]
    words += f"; without a curve: {', '.join(absent)}" if absent else ""
    if len(good) > len(shown):
        words += f"; {len(good) - len(shown)} more are not shown (limit={options.limit})"
    sheet.note(EDGE, 4.16, wrapped(plain(words, 300), 6.4, SMALL_PT))
    return sheet.figure


def _names_at_ends(sheet: Sheet, synthesis: Synthesis, shown: list[int], axes: Axes) -> None:
    """Write the names beside the curves' ends, moved apart where ends meet, each joined to its end by a thin line."""
    curves = np.asarray(synthesis.curves, np.float64)
    ordered = sorted(range(len(shown)), key=lambda place: -curves[shown[place], -1])
    if len(ordered) > _MOST_NAMES:
        sheet.note(5.5, 0.8, f"{len(ordered)} targets")
        return
    low, high = axes.get_ylim()
    ends = [(float(curves[shown[place], -1]) - low) / (high - low) for place in ordered]
    levels = _apart(ends, min(1 / max(len(ordered), 1), 0.22 / 2.95))
    for place, end, level in zip(ordered, ends, levels, strict=True):
        k = shown[place]
        colour = COLOURS[place % 7]
        axes.plot([1.0, 1.035], [end, level], transform=axes.transAxes, color=colour, linewidth=0.6, clip_on=False)
        words = plain(short_label(synthesis, k), 26)
        axes.text(1.045, level, words, transform=axes.transAxes, va="center", fontsize=SMALL_PT, color=INK)


def _apart(ends: list[float], step: float) -> list[float]:
    """Return levels from 0 to 1 as near to falling ends as they can lie with `step` between neighbours."""
    levels: list[float] = []
    for end in ends:
        levels.append(min(end, levels[-1] - step if levels else 1.0))
    floor = 0.0  # what was pushed out below pushes those above it up again
    for place in reversed(range(len(levels))):
        levels[place] = max(levels[place], floor)
        floor = levels[place] + step
    return levels


def short_label(synthesis: Synthesis, index: int) -> str:
    """Return the target's text without the layer, which the heading names."""
    text = "".join(synthesis.provenance.targets[index : index + 1])
    return text.removeprefix(synthesis.provenance.layer or "").strip() or f"target {index}"


def reached(synthesis: Synthesis, index: int) -> str:
    """Return the activation reached, or the status where there is no image."""
    status = synthesis.status[index]
    value = float(np.asarray(synthesis.activation)[index])
    return f"reached {number(value, 4)}" if status == "ok" else f"status: {status}"


def _heading(synthesis: Synthesis) -> str:
    provenance = synthesis.provenance
    layer = f" at {provenance.layer}" if provenance.layer else ""
    return f"{provenance.technique}{layer} · {provenance.model}"


def _caption(synthesis: Synthesis, left_out: int) -> list[str]:
    good = sum(status == "ok" for status in synthesis.status)
    hatched = "; hatched cells have none and say why" if good < len(synthesis.status) else ""
    what = {2: "a series", 3: "a series", 5: "a volume"}.get(np.ndim(synthesis.images), "an image")
    words = [f"{good} of {len(synthesis.status)} targets gave {what}{hatched}"]
    words += [f"{left_out} more are not shown"] if left_out else []
    return [*words, _how_shown(np.asarray(synthesis.images))]


def _how_shown(images: Float[np.ndarray, "n ..."]) -> str:
    """Return what is to be known of how images are drawn."""
    if images.ndim < 4:
        channels = images.shape[-1] if images.ndim == 3 else 1
        return f"{MOST_LINES} of {channels} channels are drawn" if channels > MOST_LINES else ""
    if images.ndim == 4:
        return channel_note(images.shape[-1])
    depths = ", ".join(map(str, montage(images[0])[1]))
    mean = f"{channel_note(images.shape[-1])}, " if images.shape[-1] > 1 else ""
    return f"slices {depths} of {images.shape[1]}, row by row; {mean}black to white is each volume's own range"
