"""The built-in renderers as plugins; imports nothing heavy."""

from collections.abc import Iterable

from cnnviz_jax.plugin import RendererSpec, hookimpl

_DRAWN = (
    *("Attribution", "Comparison", "Convolution", "Dissection", "Distributions", "EffectiveReceptiveField"),
    *("Evolution", "Exemplars", "FilterBank", "FilterMatch", "FilterVariety", "Measurement"),
    *("ReceptiveFields", "Synthesis"),
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


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield figures, the offline page, the animation and the archive."""
    for name, suffixes, accepts, summary in _RENDERERS:
        render = f"cnnviz_plugins.renderers.{name}:render"
        yield RendererSpec(name=name, summary=summary, accepts=accepts, suffixes=suffixes, render=render)
