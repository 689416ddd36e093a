"""A site read back: every number that its pages show, and the tiles, without a browser."""

import functools
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from jaxtyping import UInt8

from cnnviz_jax.data.images import check_image_size, open_image
from cnnviz_jax.errors import (
    CnnvizError,
    LayerNotFoundError,
    ResultFileError,
    UsageError,
    did_you_mean,
    printable,
    reason_of,
)
from cnnviz_jax.site.folder import CLASSES_PER_FILE, IMAGES_PER_FILE, PAGES_PER_FILE, UNITS_PER_FILE, SiteFolder

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Owner = TypeVar("_Owner", "Site", "SiteUnit", "SitePage")
_MOST_PIXELS = 1 << 24
_SHEET = re.compile(r"[\w-]{1,100}\.(png|jpg)", re.ASCII)


def _of_its_form(method: Callable[Concatenate[_Owner, _P], _R]) -> Callable[Concatenate[_Owner, _P], _R]:
    """Turn what a method raises where data have another form than is written into a `ResultFileError`."""

    @functools.wraps(method)
    def checked(self: _Owner, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(self, *args, **kwargs)
        except CnnvizError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, OSError) as error:
            raise ResultFileError(
                f"a data file of the site in {self.folder.root} has another form than is written: "
                f"{type(error).__name__}: {reason_of(error)}"
            ) from error

    return checked


class Site:
    """The pages of a network in a folder."""

    def __init__(self, folder: SiteFolder) -> None:
        self.folder = folder
        """Where it lies."""

    def __repr__(self) -> str:
        state = "complete" if self.is_complete else "not complete"
        units = sum(row["units"] for row in self.summary["layers"] if row["is_shown"])
        return f"Site({self.folder.root}: {self.title}, {len(self.layers)} layers, {units} units, {state})"

    @_of_its_form
    def _repr_html_(self) -> str:
        """Return a link to the site and what is in it, for notebooks."""
        page = html.escape((self.folder.root / "index.html").resolve().as_uri(), quote=True)
        return f'<p><a href="{page}">{html.escape(self.title)}</a>: {html.escape(repr(self))}</p>'

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """What `site.json` holds: layers, classes, images, identity."""
        return self.folder.read_summary()

    @property
    def title(self) -> str:
        """The network's name."""
        return str(self.summary["title"])

    @property
    def is_complete(self) -> bool:
        """Whether every layer, image and class is there; synthesised images may come later."""
        return bool(self.summary["is_complete"])

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose units have pages, in execution order."""
        return tuple(self.summary["identity"]["layers"])

    @_of_its_form
    def layer(self, name: str) -> dict[str, Any]:
        """Return a layer's row with the columns of its grid: `maximum`, `fire_rate`, `state`, `selectivity`, ...

        Raises:
            LayerNotFoundError: The site has no pages of that layer.
            ResultFileError: It is not written yet.
        """
        row = self._row(name)
        return {**row, **self.folder.read(row["slug"])["columns"]}

    @_of_its_form
    def unit(self, layer: str, unit: int) -> "SiteUnit":
        """Return what the page `#/LAYER/UNIT` shows.

        Raises:
            LayerNotFoundError: The site has no pages of that layer.
            UsageError: The layer has no such unit.
            ResultFileError: It is not written yet.
        """
        row = self._row(layer)
        if not 0 <= unit < row["units"]:
            raise UsageError(f"layer {row['name']!r} has units 0 to {row['units'] - 1}, got {unit}")
        data = self.folder.read(f"{row['slug']}-u{unit // UNITS_PER_FILE}")
        group = str(unit // self.summary["units_per_sheet"])
        made, sheets = None, []
        if unit in row["synthesis"].get(group, ()):
            shown = self.folder.read(f"{row['slug']}-s{group}")
            made, sheets = shown["units"][str(unit)], shown["sheets"]
        return SiteUnit(self.folder, row["name"], unit, data["units"][str(unit)], data["sheets"], made, sheets)

    def units(self) -> Iterator[tuple[str, int]]:
        """Yield layer and number of every unit that has a page."""
        for row in self.summary["layers"]:
            for unit in range(row["units"] if row["is_shown"] and row["is_done"] else 0):
                yield row["name"], unit

    @_of_its_form
    def image(self, number: int) -> dict[str, Any]:
        """Return what the page `#/image/NUMBER` shows: name, label, answers, the units that fire most.

        Raises:
            UsageError: The image has no page.
        """
        places = {int(each[0]): place for place, each in enumerate(self.summary["images"])}
        if number not in places:
            raise UsageError(f"image {number} has no page in {self.folder.root}; {len(places)} images have one")
        found = self.folder.read(f"images-{places[number] // IMAGES_PER_FILE}")["images"][str(number)]
        return dict(found)

    @_of_its_form
    def class_page(self, index: int) -> dict[str, Any]:
        """Return what the page `#/class/INDEX` shows: its units, its images, what is mistaken.

        Raises:
            UsageError: There is no such class.
        """
        if not 0 <= index < len(self.summary["classes"]):
            raise UsageError(f"classes run from 0 to {len(self.summary['classes']) - 1}, got {index}")
        return dict(self.folder.read(f"classes-{index // CLASSES_PER_FILE}")["classes"][str(index)])

    @property
    def collections(self) -> dict[str, list[str]]:
        """The titles of the pages of each collection, by its name."""
        return {str(row["name"]): [str(title) for title in row["titles"]] for row in self.summary["collections"]}

    @_of_its_form
    def page(self, collection: str, number: int) -> "SitePage":
        """Return what the page `#/COLLECTION/NUMBER` shows.

        Raises:
            UsageError: The site has no such collection, or the collection no such page.
        """
        row = next((row for row in self.summary["collections"] if row["name"] == collection), None)
        if row is None:
            raise UsageError(
                f"no collection {collection!r} in {self.folder.root}.{did_you_mean(collection, self.collections)} "
                f"It has: {', '.join(self.collections) or 'none'}"
            )
        if not 0 <= number < len(row["titles"]):
            raise UsageError(f"{collection} has pages 0 to {len(row['titles']) - 1}, got {number}")
        data = self.folder.read(f"{row['slug']}-p{number // PAGES_PER_FILE}")
        told = data["pages"][str(number)]
        return SitePage(self.folder, f"#/{collection}/{number}", told["title"], told["parts"], data["sheets"])

    def _row(self, name: str) -> dict[str, Any]:
        dotted = str(name).replace("/", ".")
        for row in self.summary["layers"]:
            if row["is_shown"] and row["name"] in (name, dotted):
                return dict(row)
        raise LayerNotFoundError(
            f"no layer {name!r} in {self.folder.root}.{did_you_mean(dotted, self.layers)} It has pages of "
            f"{len(self.layers)} layers"
        )


class LiveSite(Site):
    """A site that is being served with its network: the page has a place to drop an image, which is explained."""


class SiteUnit:
    """The page of one unit."""

    def __init__(
        self, folder: SiteFolder, layer: str, unit: int, panels: Mapping[str, Any], sheets: list[Any],
        synthesis: Mapping[str, Any] | None, synthesis_sheets: list[Any],
    ) -> None:  # fmt: skip
        self.layer, self.unit = layer, unit
        self.panels: dict[str, list[dict[str, Any]]] = dict(panels)
        """What each panel shows: its parts in order, as in the site's data."""
        self.synthesis = None if synthesis is None else dict(synthesis)
        """The image made to excite it: `status`, `peak`, `maximum`, `ratio`; `None` where none was made."""
        self.folder = folder
        """Where the site lies."""
        self._sheets, self._own_sheets = sheets, synthesis_sheets

    def __repr__(self) -> str:
        return f"SiteUnit({self.address}: {', '.join(self.panels)})"

    @_of_its_form
    def _repr_html_(self) -> str:
        """Return the unit's facts and a link to its page, for notebooks."""
        page = (self.folder.root / "index.html").resolve().as_uri() + self.address
        rows = "".join(
            f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in self.facts.items()
        )
        return f'<p><a href="{html.escape(page, quote=True)}">{html.escape(self.address)}</a></p><table>{rows}</table>'

    @property
    def address(self) -> str:
        """The page in the site."""
        return f"#/{self.layer}/{self.unit}"

    @property
    @_of_its_form
    def facts(self) -> dict[str, Any]:
        """Every named value on the page, by name."""
        return _facts(part for parts in self.panels.values() for part in parts)

    @_of_its_form
    def tiles(self, panel: str = "exemplars") -> list[dict[str, Any]]:
        """Return the tiles of a panel: `image`, `box`, `value`, and `at`, the place in the sheet."""
        return [tile for part in self.panels.get(panel, ()) if part["part"] == "tiles" for tile in part["tiles"]]

    @_of_its_form
    def pixels(self, tile: Mapping[str, Any]) -> UInt8[np.ndarray, "h w 3"]:
        """Return the pixels of a tile as the page shows them, or of `synthesis`."""
        return _pixels(self.folder, self._own_sheets if tile is self.synthesis else self._sheets, tile)


class SitePage:
    """One page of a collection."""

    def __init__(
        self, folder: SiteFolder, address: str, title: str, parts: list[dict[str, Any]], sheets: list[Any]
    ) -> None:
        self.folder, self.address = folder, address
        self.title = title
        """Its heading."""
        self.parts = parts
        """What it shows, in order, as in the site's data."""
        self._sheets = sheets

    def __repr__(self) -> str:
        return f"SitePage({self.address}: {self.title})"

    @property
    @_of_its_form
    def facts(self) -> dict[str, Any]:
        """Every named value on the page, by name."""
        return _facts(self.parts)

    @_of_its_form
    def pixels(self, tile: Mapping[str, Any]) -> UInt8[np.ndarray, "h w 3"]:
        """Return the pixels of a tile of its parts as the page shows them."""
        return _pixels(self.folder, self._sheets, tile)


def _facts(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts if part["part"] == "facts" for name, value in part["rows"]}


def _pixels(folder: SiteFolder, sheets: list[Any], tile: Mapping[str, Any]) -> UInt8[np.ndarray, "h w 3"]:
    sheet, left, top, width, height = tile["at"]
    name, *size = sheets[sheet]
    if not _SHEET.fullmatch(name):
        raise ResultFileError(f"{folder.root} names the sheet {printable(name)!r}, which is none of its own")
    check_image_size(folder.tiles / name, size, most_pixels=_MOST_PIXELS)
    return np.asarray(open_image(folder.tiles / name, 3))[top : top + height, left : left + width]


def site_in(folder: str | Path) -> Site:
    """Return the site in a folder.

    Raises:
        UsageError: There is none.
    """
    site = Site(SiteFolder(Path(folder)))
    _ = site.summary
    return site
