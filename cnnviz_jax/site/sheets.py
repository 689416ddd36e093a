"""Many small images in one file, each at a place of its own, within a number of bytes."""

import bisect
import functools
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cnnviz_jax.files import write_whole

Place = tuple[int, int, int, int]
"""Left, top, width and height of a tile in its sheet."""
SheetPlace = tuple[int, int, int, int, int]
"""Number of the sheet, then the place in it."""
_THUMBS_PER_SHEET = 64
NOTHING = np.zeros((1, 1, 3), np.uint8)
"""The tile of what has none."""

_EXACT_PX = 20
"""Tiles up to this size are kept exactly: a few pixels of a first layer would be smeared by JPEG's 8 x 8 blocks."""
_QUALITIES = (88, 78, 66, 54, 42, 30, 18)


def as_bytes(image: Float[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image in [0, 1] as bytes: three channels as colour, any other number as their mean in grey."""
    image = np.clip(np.nan_to_num(image), 0, 1)
    if image.shape[-1] != 3:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    return np.round(image * 255).astype(np.uint8)


def shrunk(pixels: UInt8[np.ndarray, "h w 3"], factor: float) -> UInt8[np.ndarray, "rows cols 3"]:
    """Return an image made smaller by a factor of at most 1; never less than a pixel."""
    if factor >= 1:
        return pixels
    height, width = (max(1, round(size * factor)) for size in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def write_sheet(
    path: Path, tiles: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, most_bytes: int
) -> tuple[str, tuple[int, int], list[Place]]:
    """Write tiles as one PNG or JPEG and return its name, its width and height, and each tile's place.

    Args:
        path: The file without its suffix.
        tiles: In the order in which they fill the sheet, row by row.
        most_bytes: JPEG's quality falls until the file is at most so large, or lowest.
    """
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    is_exact = max(height, width) <= _EXACT_PX
    # JPEG codes blocks of 8 x 8 pixels: tiles that begin at a block never mix with their neighbours.
    height, width = (size if is_exact else -(-size // 8) * 8 for size in (height, width))
    columns = math.ceil(math.sqrt(len(tiles) * height / width))
    rows = math.ceil(len(tiles) / columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    places = []
    for number, tile in enumerate(tiles):
        top, left = number // columns * height, number % columns * width
        cell = sheet[top : top + height, left : left + width]
        down, across = tile.shape[:2]
        cell[:down, :across] = tile
        # A tile smaller than its cell is continued by its last row and column, which costs JPEG nothing.
        cell[:down, across:] = tile[:, -1:]
        cell[down:] = cell[down - 1 : down]
        places.append((left, top, tile.shape[1], tile.shape[0]))
    data = png(sheet) if is_exact else _jpeg(sheet, most_bytes)
    name = f"{path.name}.{'png' if is_exact else 'jpg'}"
    write_whole(path.with_name(name), data)
    return name, (columns * width, rows * height), places


class Sheets:
    """The sheets of one data file, written one after the other."""

    def __init__(self) -> None:
        self.files: list[tuple[str, int, int]] = []
        """Name, width and height of each."""

    def write(self, path: Path, tiles: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, most_bytes: int) -> list[SheetPlace]:
        """Write one more and return where each tile is; see `write_sheet`."""
        name, size, places = write_sheet(path, tiles, most_bytes=most_bytes)
        self.files.append((name, *size))
        return [(len(self.files) - 1, *place) for place in places]


def write_thumbs(
    path: Path, tiles: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, longest_px: int, most_bytes: int
) -> dict[str, Any]:
    """Write tiles small and return, as pages have them, the sheets as `thumbs` and where each tile is as `at`.

    Args:
        path: Of the sheets, whose number comes behind it.
        tiles: In the order in which they are listed.
        longest_px: Of a tile's sides; smaller ones keep their pixels.
        most_bytes: Of a sheet of 64 tiles.
    """
    sheets, at = Sheets(), list[SheetPlace]()
    small = [shrunk(tile, longest_px / max(tile.shape)) for tile in tiles]
    for first in range(0, len(small), _THUMBS_PER_SHEET):
        part = small[first : first + _THUMBS_PER_SHEET]
        at += sheets.write(path.with_name(f"{path.name}{first // _THUMBS_PER_SHEET}"), part, most_bytes=most_bytes)
    return {"thumbs": sheets.files, "at": at}


def png(sheet: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Return a PNG file of colours, as small as Pillow makes it."""
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _jpeg(sheet: UInt8[np.ndarray, "h w 3"], most_bytes: int) -> bytes:
    """Return the sheet at the best quality that keeps to so many bytes, or at the lowest."""

    @functools.cache
    def at(place: int) -> bytes:
        buffer = io.BytesIO()
        # Not optimised: for that Pillow holds the file in a buffer of a byte per pixel, which noise overflows.
        Image.fromarray(sheet).save(buffer, "JPEG", quality=_QUALITIES[place], subsampling=0)
        return buffer.getvalue()

    # Sizes fall with the quality: three files tell which of seven fits, where one after the other takes up to seven.
    place = bisect.bisect_left(range(len(_QUALITIES)), True, key=lambda place: len(at(place)) <= most_bytes)
    return at(min(place, len(_QUALITIES) - 1))
