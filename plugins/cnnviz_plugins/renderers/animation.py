"""The `animation` renderer: a training as an animated GIF, one frame per recorded step."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from cnnviz_jax.plugin import Evolution, RenderError, UsageError
from cnnviz_plugins.renderers.figures.evolution import (
    draw_lines,
    draw_unit,
    reached,
    tile,
    unit_row_in,
    unit_size,
    units_title,
)
from cnnviz_plugins.renderers.figures.sheet import SMALL_PT, TITLE_PT, Sheet, pinned_style
from cnnviz_plugins.renderers.options import EvolutionOptions, parse
from cnnviz_plugins.renderers.text import plain

_EDGE, _GAP, _SIDE, _IMAGE = 0.15, 0.06, 0.6, 1.0


def render(result: Any, path: Path, *, dpi: int = 100, **display: Any) -> None:
    """Write the training's frames to `path`; the last one stays longest.

    Raises:
        RenderError: The result is no `Evolution`.
        UsageError: An option is unknown or out of range.
    """
    if not isinstance(result, Evolution):
        raise RenderError(f"no animation of {type(result).__name__}; an Evolution can be animated")
    if not 30 <= dpi <= 400:
        raise UsageError(f"dpi is {dpi:g}; it must lie from 30 to 400")
    options = parse(EvolutionOptions, display)
    with pinned_style():
        frames = [_frame(result, step, options, dpi) for step in range(len(result.steps))]
    durations = [options.frame_ms] * (len(frames) - 1) + [4 * options.frame_ms]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)


def _frame(result: Evolution, step: int, options: EvolutionOptions, dpi: int) -> Image.Image:
    units = min(result.kernel.shape[-1], options.limit)
    is_lines = result.view == "lines"
    columns = 1 if is_lines else min(units, 8)
    rows = 1 if is_lines else -(-units // columns)
    side = 3.0 if is_lines else _SIDE
    made, image_h = unit_size(result, options, _IMAGE)
    across = min(made, 4)
    width = max(2 * _EDGE + columns * (side + _GAP), 2 * _EDGE + across * (_IMAGE + _GAP), 3.2)
    top = _EDGE + 0.32
    units_top = top + rows * (side + _GAP) + 0.35
    below = 0.35 + -(-made // across) * unit_row_in(image_h) if made else 0.0
    sheet = Sheet(width, top + rows * (side + _GAP) + below + _EDGE)
    words = f"{options.title or result.layer} · step {result.steps[step]}"
    sheet.text(_EDGE, _EDGE, plain(words, int(width * 11)), size=TITLE_PT if is_lines else SMALL_PT + 1)
    if is_lines:
        draw_lines(sheet.axes(_EDGE, top, side, side, frame=True), result, step, options.extent, is_first=False)
    for unit in range(0 if is_lines else units):
        x, y = _EDGE + unit % columns * (side + _GAP), top + unit // columns * (side + _GAP)
        sheet.axes(x, y, side, side).imshow(tile(result, step, unit), aspect="auto")
    if made:
        sheet.text(_EDGE, units_top - 0.2, plain(units_title(result), int(width * 11)), size=SMALL_PT + 1)
    for unit in range(made):
        x = _EDGE + unit % across * (_IMAGE + _GAP)
        y = units_top + unit // across * unit_row_in(image_h)
        draw_unit(sheet.axes(x, y, _IMAGE, image_h), result, step, unit)
        sheet.text(x, y + image_h + 0.02, f"{result.units[unit]}: {reached(result, step, unit)}", size=SMALL_PT)
    drawn = BytesIO()
    sheet.figure.savefig(drawn, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return Image.open(drawn).convert("RGB").quantize(256 if made else 128, dither=Image.Dither.NONE)
