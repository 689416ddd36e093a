"""The built-in renderers as plugins; imports nothing heavy."""

from collections.abc import Iterable
from typing import Any

from cnnviz_jax.plugin import RendererSpec, hookimpl

_DRAWN = (
    *("Attribution", "Comparison", "Convolution", "Dictionary", "Difference", "Dissection", "Distributions"),
    *("Drift", "EffectiveReceptiveField", "Evolution", "Exemplars", "FeatureImportance", "FilterBank", "FilterMatch"),
    *("FilterVariety", "Intervention", "Measurement", "ReceptiveFields", "Recommendation", "Report", "Shortcuts"),
    *("Synthesis", "UnitNames"),
)
_RENDERERS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("figure", (".png", ".svg", ".pdf"), _DRAWN,
     "matplotlib figures: heatmaps over images, grids, filters, receptive fields, curves"),
    ("html", (".html",), ("Report", "Attribution", "FilterBank", "ReceptiveFields", "Synthesis"),
     "one offline HTML page with every image inside"),
    ("animation", (".gif",), ("Evolution",), "a recorded training as an animated GIF, one frame per step"),
    ("npz", (".npz",), ("*",), "every array by name, with the provenance as JSON; opens without pickle"),
)  # fmt: skip
"""Name and module, suffixes, results that it draws, summary."""

_FORMS: dict[str, Any] = {
    "many": ("Attribution",),
    "figure": "cnnviz_plugins.renderers.figure:figure",
    "fragment": "cnnviz_plugins.renderers.notebook:fragment",
    "display": "cnnviz_plugins.renderers.options:display",
    "overlay": "cnnviz_plugins.renderers.notebook:overlay",
    "sheet": "cnnviz_plugins.renderers.sheets:sheet",
}
"""What the renderer of figures offers beside files."""


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield figures, the offline page, the animation and the archive."""
    for name, suffixes, accepts, summary in _RENDERERS:
        render = f"cnnviz_plugins.renderers.{name}:render"
        forms = _FORMS if name == "figure" else {}
        yield RendererSpec(name=name, summary=summary, accepts=accepts, suffixes=suffixes, render=render, **forms)
