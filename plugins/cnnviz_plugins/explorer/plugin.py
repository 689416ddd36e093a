"""The explorer as a plugin: the panels of a unit's page and the page itself; imports nothing heavy."""

from collections.abc import Iterable, Mapping
from typing import Any

from cnnviz_jax.plugin import PanelSpec, RendererSpec, hookimpl

_EXEMPLARS: dict[str, dict[str, Any]] = {"exemplars": {"k": 9, "levels": (0.9, 0.75, 0.5), "level_k": 3}}
# A sample of 1,024 rows tells twins, and stays small where all layers of a network are gathered at once.
_DISTRIBUTIONS: dict[str, dict[str, Any]] = {"distributions": {"sample": 256, "positions": 4}}
_PANELS: tuple[tuple[str, str, Mapping[str, Mapping[str, Any]]], ...] = (
    ("exemplars", "Images that fire it most", _EXEMPLARS),
    ("levels", "Below the maximum", _EXEMPLARS),
    ("distribution", "How its values are spread", _DISTRIBUTIONS),
    ("classes", "What it answers to, by class", _EXEMPLARS),
    ("connections", "What feeds it and what it feeds", {}),
    ("expanded", "What it reads and what reads it, through layers between", {}),
    ("neighbours", "Units like it", _DISTRIBUTIONS),
    ("dictionary", "Features of a dictionary", {}),
)
"""Name, which is also the module's, heading, surveys; in the order of the page."""


_RELEVANCE: dict[str, dict[str, Any]] = {"relevance-maximization": {"k": 9}}


@hookimpl
def cnnviz_panels() -> Iterable[PanelSpec]:
    """Yield the panels of a unit's page."""
    yield PanelSpec(
        name="relevance",
        summary="Images in which it mattered most",
        build="cnnviz_plugins.explorer.panels.relevance:build",
        surveys=_RELEVANCE,
        place=15,
        on_request=True,
    )
    for place, (name, summary, surveys) in enumerate(_PANELS, 1):
        build = f"cnnviz_plugins.explorer.panels.{name}:build"
        yield PanelSpec(name=name, summary=summary, build=build, surveys=surveys, place=10 * place)


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
