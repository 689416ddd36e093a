"""What a panel of a unit's page may show: a closed list of parts, each drawn by the page without code of the panel's.

So a panel is Python alone, its texts are never read as HTML, and its numbers can be read back and tested.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from cnnviz_jax.errors import PluginError
from cnnviz_jax.site.sheets import Sheets


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing on a page; see the subclasses."""


@dataclass(frozen=True, kw_only=True)
class Text(Part):
    """A paragraph."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Facts(Part):
    """Names with values: numbers, texts, or `None` for none."""

    rows: Sequence[tuple[str, Any]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Bars(Part):
    """Names with numbers as bars from zero; a third entry of a row is an address in the site, such as `#/class/3`."""

    rows: Sequence[tuple[Any, ...]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Histogram(Part):
    """Counts between edges, with marks at values."""

    counts: Sequence[int]
    edges: Sequence[float]
    """One more than counts; rising."""
    marks: Sequence[tuple[str, float]] = ()
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A small image, such as what a unit sees of one."""

    pixels: UInt8[np.ndarray, "h w 3"]
    alt: str
    """What it shows, in words."""
    value: float | np.floating[Any] | None = None
    """A number below it."""
    caption: str = ""
    image: int | None = None
    """Number of the image that it comes from: the tile links there."""
    box: Sequence[int] | None = None
    """Top, left, bottom, right (inclusive) of its place in that image."""


@dataclass(frozen=True, kw_only=True)
class Tiles(Part):
    """Small images side by side."""

    tiles: Sequence[Tile]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Units(Part):
    """Other units, with a number each: (layer, unit, value)."""

    rows: Sequence[tuple[str, int, float]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Kernels(Part):
    """Slices of kernels: (layer or "", unit, value, rows of the slice); one scale for all, symmetric about 0."""

    rows: Sequence[tuple[str, int, float, Any]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of `Cells`."""

    row: int
    column: int
    tile: Tile
    size: float = 1.0
    """Side of the tile in cells, at most 1."""
    parts: Sequence[Part] = ()
    """What is shown of it when it is chosen; no `Cells` among them."""


@dataclass(frozen=True, kw_only=True)
class Cells(Part):
    """A square or map of small images that is zoomed and moved, in one or more levels of ever finer cells.

    A level is (rows, columns, cells); all levels fill the same area.
    """

    levels: Sequence[tuple[int, int, Sequence[Cell]]]
    title: str = ""


@dataclass
class Packed:
    """Parts as data, and the tiles in them, which go into a sheet."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    tiles: list[tuple[dict[str, Any], UInt8[np.ndarray, "h w 3"]]] = field(default_factory=list)


def packed(parts: Any, who: str) -> Packed:
    """Return what a panel gave for one unit.

    Raises:
        PluginError: It is no list of parts.
    """
    if isinstance(parts, Part):
        parts = [parts]
    if not isinstance(parts, list | tuple) or not all(isinstance(each, Part) for each in parts):
        kinds = ", ".join(kind.__name__ for kind in Part.__subclasses__())
        raise PluginError(f"{who} gave {type(parts).__name__}; a list of parts is needed: {kinds}")
    found = Packed()
    found.parts += [_part(part, found) for part in parts]
    return found


def _part(part: Part, found: Packed) -> dict[str, Any]:
    told = {each.name: getattr(part, each.name) for each in dataclasses.fields(part)}
    if isinstance(part, Tiles):
        told["tiles"] = [_tile(tile, found) for tile in part.tiles]
    if isinstance(part, Cells):
        told["levels"] = [
            {"rows": rows, "columns": columns, "cells": _cells(cells, found)} for rows, columns, cells in part.levels
        ]
    return {"part": type(part).__name__.lower(), **told}


def _cells(cells: Sequence[Cell], found: Packed) -> list[dict[str, Any]]:
    # The icons first: they share sheets, and what is shown of a cell stands in others.
    icons = [_tile(cell.tile, found) for cell in cells]
    return [
        {
            "row": cell.row, "column": cell.column, "size": cell.size, "tile": icon,
            "parts": [_part(part, found) for part in cell.parts],
        }
        for cell, icon in zip(cells, icons, strict=True)
    ]  # fmt: skip


def write_tiles(
    sheets: Sheets, path: Path, tiles: Sequence[tuple[dict[str, Any], UInt8[np.ndarray, "_ _ 3"]]], *, most_bytes: int
) -> None:
    """Write tiles as one sheet, and into the data of each where it is."""
    places = sheets.write(path, [pixels for _, pixels in tiles], most_bytes=most_bytes)
    for (told, _), place in zip(tiles, places, strict=True):
        told["at"] = place


def _tile(tile: Tile, found: Packed) -> dict[str, Any]:
    told = {each.name: getattr(tile, each.name) for each in dataclasses.fields(tile) if each.name != "pixels"}
    told = {name: value for name, value in told.items() if value is not None and value != ""}
    found.tiles.append((told, tile.pixels))
    return told
