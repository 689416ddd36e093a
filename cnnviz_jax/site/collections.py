"""Collections of pages beside those of units, such as a page for each concept: what builds one is given and returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from cnnviz_jax.data.dataset import Dataset
from cnnviz_jax.errors import PluginError, UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.options.building import config_from
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.foreign import code_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import CollectionSpec
from cnnviz_jax.site.case import TILE_PX, Detail, Images
from cnnviz_jax.site.folder import PAGES_PER_FILE, SiteFolder
from cnnviz_jax.site.parts import Packed, Part, Tile, packed
from cnnviz_jax.site.sheets import shrunk, write_sheet

_TILES_PER_SHEET = 100
_BYTES_PER_TILE: dict[Detail, int] = {"full": 1_700, "light": 700}
_LEAST_BYTES = 12_000
_THUMB_PX, _THUMBS_PER_SHEET, _THUMB_BYTES = 48, 64, 40_000

Asked = Mapping[str, Mapping[str, Any]] | Sequence[str]
"""Collections as users name them: names, `NAME:REST` where the option `of` is REST, or options by name."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Pages that belong together, each made when it is written."""

    titles: Sequence[str]
    """One for each page."""
    page: Callable[[int], Part | Sequence[Part]]
    """The parts of a page by its number, as a panel gives them. The first tile stands for the page in lists."""
    notes: Sequence[str] = ()
    """A few words for each page, or none at all."""


@dataclass(frozen=True, kw_only=True)
class SiteCase:
    """A whole site, for the pages of a collection."""

    model: Model
    dataset: Dataset
    images: Images
    shown: tuple[str, ...]
    """The layers whose units have pages, in execution order."""
    results: Mapping[str, Mapping[str, Any]]
    """What the collection's surveys found, by layer and by the technique's name."""
    detail: Detail
    masks: str | None
    """The field in which images bring their concept masks."""
    key: Any
    """Seed or key of what is random."""
    memory_budget: int | None

    def tile(
        self,
        number: int,
        box: Sequence[int] | Int[np.ndarray, "4"],
        value: float | np.floating[Any] | None = None,
        *,
        of: str = "",
    ) -> Tile:
        """Return the part of an image inside a box as a tile that links to the image; see `LayerCase.tile`."""
        top, left, bottom, right = (int(edge) for edge in box)
        crop = self.images[number][top : bottom + 1, left : right + 1]
        return Tile(
            pixels=shrunk(crop, TILE_PX[self.detail] / max(crop.shape)),
            alt=f"{of} rows {top} to {bottom}, columns {left} to {right} of {self.dataset.source.name(number)}".strip(),
            value=value,
            image=number,
            box=(top, left, bottom, right),
        )


def collections_asked(registry: Plugins, asked: Asked, masks: str | None) -> dict[str, tuple[CollectionSpec, Any]]:
    """Return the collections to make with their configs, by name; those of masks first.

    Raises:
        UnknownNameError: No plugin offers one of that name.
        UsageError: An option does not exist or does not fit, or a collection of masks is named without masks.
    """
    options: dict[str, dict[str, Any]] = {}
    if masks is not None:
        options = {name: {} for name, spec in registry.collections.items() if spec.needs_masks}
    if isinstance(asked, str):
        raise UsageError(f"collections are a list of names or options by name, got {asked!r}")
    if isinstance(asked, Mapping):
        options |= {name: dict(given) for name, given in asked.items()}
    else:
        for word in asked:
            name, _, rest = word.partition(":")
            options[name] = {"of": rest} if rest else {}
    found = {}
    for name, given in options.items():
        spec = registry.collection(name)
        if spec.needs_masks and masks is None:
            raise UsageError(f"the collection {name!r} is of concept masks; say the field that has them by masks")
        found[name] = (spec, config_from(spec, given))
    return found


def write_collection(
    folder: SiteFolder, slug: str, spec: CollectionSpec, config: Any, case: SiteCase, registry: Plugins
) -> dict[str, Any]:
    """Write all files of a collection and return its row for the summary.

    Args:
        folder: The site.
        slug: Begins the names of its files.
        spec: The collection.
        config: Its options.
        case: The site as far as it is there.
        registry: Knows whose collection it is.

    Raises:
        PluginError: What builds it gave something else than a `Collection` of parts.
    """
    with code_of(registry, "collection", spec):
        made = load(spec.build)(config, case)
    made = Collection(titles=(), page=lambda number: []) if made is None else made
    if not isinstance(made, Collection):
        raise PluginError(f"collection {spec.name!r} gave {type(made).__name__}; a Collection is needed")
    thumbs: list[Any] = []
    for first in range(0, len(made.titles), PAGES_PER_FILE):
        sheets: list[tuple[Any, ...]] = []
        pages: dict[int, Any] = {}
        for number in range(first, min(first + PAGES_PER_FILE, len(made.titles))):
            with code_of(registry, "collection", spec):
                given = made.page(number)
            one = packed(given, f"collection {spec.name!r}")
            _write_tiles(folder, f"{slug}-{number}", one, sheets, case.detail)
            pages[number] = {"title": made.titles[number], "parts": one.parts}
            thumbs.append(one.tiles[0][1] if one.tiles else np.zeros((1, 1, 3), np.uint8))
        folder.write(f"{slug}-p{first // PAGES_PER_FILE}", {"sheets": sheets, "pages": pages})
    folder.write(slug, {"notes": list(made.notes), **_thumbs(folder, slug, thumbs)})
    return {"name": spec.name, "title": spec.summary, "slug": slug, "titles": list(made.titles)}


def _write_tiles(folder: SiteFolder, name: str, page: Packed, sheets: list[Any], detail: Detail) -> None:
    for first in range(0, len(page.tiles), _TILES_PER_SHEET):
        part = page.tiles[first : first + _TILES_PER_SHEET]
        most = max(_LEAST_BYTES, _BYTES_PER_TILE[detail] * len(part))
        path = folder.tiles / f"{name}-{first // _TILES_PER_SHEET}"
        file, size, places = write_sheet(path, [pixels for _, pixels in part], most_bytes=most)
        for (told, _), place in zip(part, places, strict=True):
            told["at"] = (len(sheets), *place)
        sheets.append((file, *size))


def _thumbs(folder: SiteFolder, slug: str, tiles: Sequence[Any]) -> dict[str, Any]:
    sheets: list[tuple[Any, ...]] = []
    at: list[tuple[int, ...]] = []
    for first in range(0, len(tiles), _THUMBS_PER_SHEET):
        small = [shrunk(one, _THUMB_PX / max(one.shape)) for one in tiles[first : first + _THUMBS_PER_SHEET]]
        path = folder.tiles / f"{slug}-t{first // _THUMBS_PER_SHEET}"
        file, size, places = write_sheet(path, small, most_bytes=_THUMB_BYTES)
        at += [(len(sheets), *place) for place in places]
        sheets.append((file, *size))
    return {"thumbs": sheets, "at": at}
