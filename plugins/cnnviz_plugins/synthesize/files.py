"""Synthesised images as files: a stitched grid, a moving one, and every number."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cnnviz_jax.plugin import RenderError, Synthesis, UsageError, did_you_mean

Pixels = UInt8[np.ndarray, "... 3"]

_FRAME_MS = 80
_LAST_FRAME_MS = 1500


def grid(synthesis: Synthesis, path: Path, **display: Any) -> None:
    """Write the images side by side, pixel by pixel.

    Args:
        synthesis: What to draw.
        path: A file of any form that Pillow writes.
        **display: `columns` (by default as square as can be), `margin_px` (5), `best`: only so many, those of the
            highest activation above 0, best first; `block`: so many images make one square, squares stand in a
            row; `exemplars` (0): so many parts of a data set's images to the right of each image.

    Raises:
        RenderError: The synthesis is of series or volumes, or knows no exemplars.
    """
    options = _options(display, columns=None, margin_px=5, best=None, block=None, exemplars=0)
    _check_images(synthesis)
    tiles = []
    for i in _order(synthesis, options["best"]):
        own = tile(np.asarray(synthesis.images)[i], synthesis.status[i])
        tiles.append(_with_exemplars(own, synthesis, i, options["exemplars"], options["margin_px"]))
    Image.fromarray(_sheet(tiles, options)).save(path)


def animation(synthesis: Synthesis, path: Path, **display: Any) -> None:
    """Write the ascent as a looping grid; it rests on the last frame. Options as in `grid`.

    Raises:
        RenderError: The synthesis kept no snapshots, or is of series or volumes.
    """
    options = _options(display, columns=None, margin_px=5, best=None, block=None)
    _check_images(synthesis)
    if "frames" not in synthesis.extras:
        raise RenderError("this synthesis kept no images of its ascent; make it with snapshots=24, say")
    order = _order(synthesis, options["best"])
    frames = np.asarray(synthesis.extras["frames"])
    sheets = []
    for step in range(frames.shape[1]):
        tiles = [tile(frames[i, step], synthesis.status[i]) for i in order]
        sheets.append(Image.fromarray(_sheet(tiles, options)).quantize(128, dither=Image.Dither.NONE))
    times = [_FRAME_MS] * (len(sheets) - 1) + [_LAST_FRAME_MS]
    sheets[0].save(path, save_all=True, append_images=sheets[1:], duration=times, loop=0)


def numbers(synthesis: Synthesis, path: Path, **display: Any) -> None:
    """Write every number but the images as JSON: one entry per image, and the provenance.

    Raises:
        UsageError: An option is given.
    """
    _options(display)
    names, entries = synthesis.provenance.targets, []
    for i, status in enumerate(synthesis.status):
        entry: dict[str, Any] = {"target": names[i] if i < len(names) else str(i), "status": status}
        entry["activation"] = _number(np.asarray(synthesis.activation)[i])
        entry |= {name: _number(np.asarray(array)[i]) for name, array in synthesis.extras.items() if array.ndim == 1}
        entry["curve"] = [_number(value) for value in np.asarray(synthesis.curves)[i]]
        entries.append(entry)
    found = {"images": entries, "warnings": synthesis.warnings, "provenance": synthesis.provenance.as_dict()}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def tile(image: Float[np.ndarray, "h w c"], status: str = "ok") -> Pixels:
    """Return an image as red, green, blue; one whose status is not `ok` is crossed out instead."""
    height, width, channels = image.shape
    if status != "ok":
        rows, columns = np.mgrid[:height, :width] / max(height - 1, width - 1, 1)
        slope = (height - 1) / max(width - 1, 1)
        crossed = (np.abs(rows - slope * columns) < 0.02) | (np.abs(rows + slope * columns - rows.max()) < 0.02)
        return np.repeat(np.where(crossed, 150, 255).astype(np.uint8)[..., None], 3, -1)
    shown = np.clip(np.nan_to_num(image), 0, 1)
    if channels != 3:  # one channel is grey; for others the mean is all that a screen can show
        shown = np.repeat(shown.mean(-1, keepdims=True), 3, -1)
    return np.asarray(np.round(255 * shown), np.uint8)


def stitched(tiles: list[Pixels], *, columns: int | None = None, margin_px: int = 5) -> Pixels:
    """Return images side by side on black, as square as can be unless `columns` says otherwise."""
    if not tiles:
        raise RenderError("there is no image to draw: no target has an activation above 0")
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = max(t.shape[0] for t in tiles), max(t.shape[1] for t in tiles)
    sheet = np.zeros((rows * (height + margin_px) - margin_px, columns * (width + margin_px) - margin_px, 3), np.uint8)
    for i, each in enumerate(tiles):
        top, left = i // columns * (height + margin_px), i % columns * (width + margin_px)
        sheet[top : top + each.shape[0], left : left + each.shape[1]] = each
    return sheet


def _check_images(synthesis: Synthesis) -> None:
    if np.ndim(synthesis.images) != 4:
        raise RenderError("a grid is of images; of series and volumes cv.figure(result) draws curves and slices")


def _sheet(tiles: list[Pixels], options: dict[str, Any]) -> Pixels:
    margin, block = options["margin_px"], options["block"]
    if block is None:
        return stitched(tiles, columns=options["columns"], margin_px=margin)
    parts = [tiles[first : first + block] for first in range(0, len(tiles), block)]
    squares = [stitched(part, columns=options["columns"], margin_px=margin) for part in parts]
    return stitched(squares, columns=len(squares), margin_px=4 * margin)


def _with_exemplars(own: Pixels, synthesis: Synthesis, index: int, count: int, margin_px: int) -> Pixels:
    """An image with the parts of a data set's images that excite the same unit most, enlarged to its height."""
    if not count:
        return own
    if "exemplar_crops" not in synthesis.extras:
        raise RenderError("this synthesis knows no exemplars of units; make it with exemplars=, for a layer's channels")
    parts = [own]
    for crop in np.asarray(synthesis.extras["exemplar_crops"])[index][:count]:
        width = max(1, round(own.shape[0] * crop.shape[1] / crop.shape[0]))
        parts.append(np.asarray(Image.fromarray(tile(crop)).resize((width, own.shape[0]), Image.Resampling.BICUBIC)))
    return stitched(parts, columns=len(parts), margin_px=max(1, margin_px // 2))


def _order(synthesis: Synthesis, best: int | None) -> list[int]:
    count = len(synthesis.status)
    if best is None:
        return list(range(count))
    reached = np.asarray(synthesis.activation)
    alive = [i for i in range(count) if synthesis.status[i] == "ok" and reached[i] > 0]
    return sorted(alive, key=lambda i: -reached[i])[:best]


def _number(value: Any) -> float | int | None:
    """JSON has no infinity and no NaN; there they are `null`."""
    value = value.item()
    return value if isinstance(value, int) or math.isfinite(value) else None


def _options(display: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    for name, value in display.items():
        if name not in defaults:
            raise UsageError(
                f"no display option {name!r} here.{did_you_mean(name, defaults)} There are {list(defaults)}"
            )
        least = 0 if name in ("margin_px", "exemplars") else 1
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise UsageError(f"{name} is a whole number of at least {least}, got {value!r}")
    return {**defaults, **display}
