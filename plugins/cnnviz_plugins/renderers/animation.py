"""The `animation` renderer: a training as an animated GIF, one frame per recorded step."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_jax.evolution import Evolution
from cnnviz_plugins.renderers.figures.evolution import draw_lines, tile
from cnnviz_plugins.renderers.figures.sheet import SMALL_PT, TITLE_PT, Sheet, pinned_style
from cnnviz_plugins.renderers.options import EvolutionOptions, parse
from cnnviz_plugins.renderers.wording import plain

_EDGE, _GAP, _SIDE = 0.15, 0.06, 0.6


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
    width = max(2 * _EDGE + columns * (side + _GAP), 3.2)
    top = _EDGE + 0.32
    sheet = Sheet(width, top + rows * (side + _GAP) + _EDGE)
    words = f"{result.layer} · step {result.steps[step]}"
    sheet.text(_EDGE, _EDGE, plain(words, int(width * 11)), size=TITLE_PT if is_lines else SMALL_PT + 1)
    if is_lines:
        draw_lines(sheet.axes(_EDGE, top, side, side, frame=True), result, step, options.extent)
    for unit in range(0 if is_lines else units):
        x, y = _EDGE + unit % columns * (side + _GAP), top + unit // columns * (side + _GAP)
        sheet.axes(x, y, side, side).imshow(tile(result, step, unit), aspect="auto")
    drawn = BytesIO()
    sheet.figure.savefig(drawn, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
