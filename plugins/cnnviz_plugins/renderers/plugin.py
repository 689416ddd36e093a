"""The built-in renderers as plugins; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz_jax.plugin import RendererSpec, hookimpl


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield figures, the offline page and the archive."""
    yield RendererSpec(
        name="figure",
        summary="matplotlib figures: heatmaps over images, grids, filters, receptive fields, curves",
        accepts=(
            *("Attribution", "Comparison", "Convolution", "Dissection", "Distributions", "EffectiveReceptiveField"),
            *("Evolution", "Exemplars", "FilterBank", "FilterMatch", "FilterVariety", "Measurement"),
            *("ReceptiveFields", "Synthesis"),
        ),
        suffixes=(".png", ".svg", ".pdf"),
        render="cnnviz_plugins.renderers.figure:render",
    )
    yield RendererSpec(
        name="html",
        summary="one offline HTML page with every image inside",
        accepts=("Report", "Attribution", "FilterBank", "ReceptiveFields", "Synthesis"),
        suffixes=(".html",),
        render="cnnviz_plugins.renderers.html:render",
    )
    yield RendererSpec(
        name="animation",
        summary="a recorded training as an animated GIF, one frame per step",
        accepts=("Evolution",),
        suffixes=(".gif",),
        render="cnnviz_plugins.renderers.animation:render",
    )
    yield RendererSpec(
        name="npz",
        summary="every array by name, with the provenance as JSON; opens without pickle",
        accepts=("*",),
        suffixes=(".npz",),
        render="cnnviz_plugins.renderers.npz:render",
    )
