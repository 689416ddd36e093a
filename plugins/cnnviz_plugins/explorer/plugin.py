"""The explorer as a plugin: the panels of a unit's page and the page itself; imports nothing heavy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnviz_jax.plugin import CollectionSpec, PanelSpec, RendererSpec, check_at_least, hookimpl


@dataclass(frozen=True, kw_only=True)
class AtlasConfig:
    """An activation atlas: the directions that a layer takes over many images, laid out on a plane."""

    of: str
    """Layers, joined by `+`."""
    sizes: tuple[int, ...] = (8, 16)
    """Cells along each side, from coarse to fine: the levels of the zoom."""
    more_than: int = 5
    """Positions that a cell must exceed to be shown."""
    positions: int | None = None
    """Positions drawn of each image; when not given, as many as make 4,000 in all."""
    recipe: str = "quick"
    """How images are made, as `activation-maximization` has it."""
    steps: int | None = None
    """Steps of ascent; the recipe's own when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, positions=self.positions, steps=self.steps, size=min(self.sizes, default=0))
        check_at_least(0, more_than=self.more_than)


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """The activation grid of an image: what a layer says at each place of it, as images made for it."""

    of: str = "0"
    """Numbers of images, joined by `+`."""
    layer: str | None = None
    """The layer; the last one with pages that has a map when not given."""
    side: int = 8
    """Cells along a side at most; a finer map is averaged over blocks."""
    recipe: str = "quick"
    """How images are made, as `activation-maximization` has it."""
    steps: int | None = None
    """Steps of ascent; the recipe's own when not given."""

    def __post_init__(self) -> None:
        check_at_least(1, side=self.side, steps=self.steps)


_EXEMPLARS: dict[str, dict[str, Any]] = {"exemplars": {"k": 9, "levels": (0.9, 0.75, 0.5), "level_k": 3}}
# A sample of 1,024 rows tells twins, and stays small where all layers of a network are gathered at once.
_DISTRIBUTIONS: dict[str, dict[str, Any]] = {"distributions": {"sample": 256, "positions": 4}}
# No unit is drawn: the pages show images of the site's own.
_DISSECTION: dict[str, dict[str, Any]] = {"dissection": {"shown": 0}}
_RELEVANCE: dict[str, dict[str, Any]] = {"relevance-maximization": {"k": 9}}
_PANELS: tuple[tuple[int, str, str, Mapping[str, Mapping[str, Any]], Mapping[str, bool]], ...] = (
    (10, "exemplars", "Images that fire it most", _EXEMPLARS, {}),
    (15, "relevance", "Images in which it mattered most", _RELEVANCE, {"on_request": True}),
    (20, "levels", "Below the maximum", _EXEMPLARS, {}),
    (30, "distribution", "How its values are spread", _DISTRIBUTIONS, {}),
    (40, "classes", "What it answers to, by class", _EXEMPLARS, {}),
    (45, "concepts", "Concepts that it detects", _DISSECTION, {"needs_masks": True}),
    (50, "connections", "What feeds it and what it feeds", {}, {}),
    (60, "expanded", "What it reads and what reads it, through layers between", {}, {}),
    (70, "neighbours", "Units like it", _DISTRIBUTIONS, {}),
    (80, "dictionary", "Features of a dictionary", {}, {}),
)
"""Place on the page; name, which is also the module's; heading; surveys; when it is shown."""
_COLLECTIONS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("concepts", "Concepts that masks show", {"surveys": _DISSECTION, "needs_masks": True}),
    ("atlas", "Activation atlases", {"config": AtlasConfig}),
    ("grid", "Activation grids of images", {"config": GridConfig}),
)
"""Name, which is also the module's; what it shows; what it needs."""


@hookimpl
def cnnviz_panels() -> Iterable[PanelSpec]:
    """Yield the panels of a unit's page."""
    for place, name, summary, surveys, when in _PANELS:
        build = f"cnnviz_plugins.explorer.panels.{name}:build"
        yield PanelSpec(name=name, summary=summary, build=build, surveys=surveys, place=place, **when)


@hookimpl
def cnnviz_collections() -> Iterable[CollectionSpec]:
    """Yield the pages beside those of units."""
    for name, summary, needs in _COLLECTIONS:
        build = f"cnnviz_plugins.explorer.collections.{name}:build"
        yield CollectionSpec(name=name, summary=summary, build=build, **needs)


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the page of a site."""
    yield RendererSpec(
        name="site",
        summary="the page of a site that `cnnviz explore` makes; its data lie beside it",
        accepts=("Site", "LiveSite"),
        suffixes=(".html",),
        render="cnnviz_plugins.explorer.html:render",
    )
