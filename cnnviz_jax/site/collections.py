"""Collections of pages beside those of units, such as a page for each concept: what builds one is given and returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz_jax.errors import PluginError, UsageError
from cnnviz_jax.options.building import config_from
from cnnviz_jax.plugins import Plugins
from cnnviz_jax.plugins.foreign import code_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import CollectionSpec
from cnnviz_jax.site.case import Detail, PageCase
from cnnviz_jax.site.folder import PAGES_PER_FILE, SiteFolder
from cnnviz_jax.site.parts import Part, packed, write_tiles
from cnnviz_jax.site.sheets import NOTHING, Sheets, write_thumbs

_TILES_PER_SHEET = 100
_BYTES_PER_TILE: dict[Detail, int] = {"full": 1_700, "light": 700}
_LEAST_BYTES = 12_000
_THUMB_PX, _THUMB_BYTES = 48, 40_000

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
class SiteCase(PageCase):
    """A whole site, for the pages of a collection."""

    results: Mapping[str, Mapping[str, Any]]
    """What the collection's surveys found, by layer and by the technique's name."""
    masks: str | None
    """The field in which images bring their concept masks."""
    key: Any
    """Seed or key of what is random."""
    memory_budget: int | None


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
        sheets = Sheets()
        pages: dict[int, Any] = {}
        for number in range(first, min(first + PAGES_PER_FILE, len(made.titles))):
            with code_of(registry, "collection", spec):
                given = made.page(number)
            one = packed(given, f"collection {spec.name!r}")
            for begin in range(0, len(one.tiles), _TILES_PER_SHEET):
                part = one.tiles[begin : begin + _TILES_PER_SHEET]
                most = max(_LEAST_BYTES, _BYTES_PER_TILE[case.detail] * len(part))
                path = folder.tiles / f"{slug}-{number}-{begin // _TILES_PER_SHEET}"
                write_tiles(sheets, path, part, most_bytes=most)
            pages[number] = {"title": made.titles[number], "parts": one.parts}
            thumbs.append(one.tiles[0][1] if one.tiles else NOTHING)
        folder.write(f"{slug}-p{first // PAGES_PER_FILE}", {"sheets": sheets.files, "pages": pages})
    small = write_thumbs(folder.tiles / f"{slug}-t", thumbs, longest_px=_THUMB_PX, most_bytes=_THUMB_BYTES)
    folder.write(slug, {"notes": list(made.notes), **small})
    return {"name": spec.name, "title": spec.summary, "slug": slug, "titles": list(made.titles)}
