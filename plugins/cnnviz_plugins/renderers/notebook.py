"""Results in a notebook: a compact figure with its words as HTML, and maps over their images as arrays."""

import html
from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Attribution, RenderError
from cnnviz_plugins.renderers.colormaps import colormap
from cnnviz_plugins.renderers.figure import figure, options_class, words_of
from cnnviz_plugins.renderers.figures.sheet import pinned_style, png_of
from cnnviz_plugins.renderers.heats import heats
from cnnviz_plugins.renderers.images import data_uri, grey
from cnnviz_plugins.renderers.options import HeatOptions, parse
from cnnviz_plugins.renderers.text import caption_of, options_of

_DPI = 100
_MOST = 6
"""Most rows of a compact figure, where no `limit` is said."""


def fragment(result: Any, *, dpi: int = _DPI, **display: Any) -> str:
    """Return the figure as an image inside a piece of HTML, above what was done and how it is shown.

    Everything that comes from labels, names and messages is escaped.

    Args:
        result: A result that has a figure, or a tuple of attributions.
        dpi: Pixels per inch.
        **display: The display options of that kind of result; `limit` is small where it is not said.

    Raises:
        RenderError: The result holds values that are not finite.
        UsageError: An option is unknown or out of range.
    """
    usual = getattr(parse(options_class(result), {}), "limit", None)
    if "limit" not in display and usual is not None:
        display["limit"] = min(usual, _MOST)
    with pinned_style():
        drawn = figure(result, **display)
        pixels = png_of(drawn, dpi=dpi)
    heading, caption = words_of(drawn)
    results = result if isinstance(result, tuple) else (result,)
    rows = [("shown", line) for line in caption]
    for one in results:
        rows += _rows(one)
    listed = "".join(f"<tr><th>{_text(name)}</th><td>{_text(words)}</td></tr>" for name, words in rows)
    return (
        '<div class="cnnviz-result" style="display:inline-block;vertical-align:top;max-width:100%">'
        f'<img src="{data_uri(pixels)}" alt="{_text(heading)}" style="max-width:100%;height:auto">'
        f"<details><summary>{_text(heading)}</summary>"
        f'<table style="text-align:left;font-size:smaller">{listed}</table></details></div>'
    )


def overlay(attribution: Attribution, **display: Any) -> Float[np.ndarray, "n h w 3"]:
    """Return each map over its image, as figures draw it: colour over grey.

    Args:
        attribution: What was explained.
        **display: The fields of `options.HeatOptions`.

    Raises:
        RenderError: It is no map of the images, or a value is not finite.
        UsageError: An option is unknown or out of range.
    """
    options = parse(HeatOptions, display)
    images = np.asarray(attribution.images)
    if images.ndim != 4:
        raise RenderError("maps are laid over images; of series and volumes cv.figure(result) draws curves and slices")
    if not attribution.has_map:
        raise RenderError(f"{attribution.provenance.technique} gives a layer's own values, not a map of the image")
    laid = []
    for image, heat in zip(images, heats(attribution, options), strict=True):
        rows, cols = (np.arange(n) * m // n for n, m in zip(image.shape[:2], heat.levels.shape, strict=True))
        colours = colormap(heat.colormap)(heat.levels[np.ix_(rows, cols)])[..., :3]
        laid.append(options.opacity * colours + (1 - options.opacity) * grey(image)[..., None])
    return np.clip(np.stack(laid), 0, 1).astype(np.float32)


def _rows(result: Any) -> list[tuple[str, str]]:
    """Return what was done, as name and words."""
    provenance = getattr(result, "provenance", None)
    if provenance is None:
        return []
    rows = [("technique", provenance.technique), ("model", provenance.model)]
    rows += [("layer", provenance.layer)] if provenance.layer else []
    for k, target in enumerate(provenance.targets[:_MOST]):
        words = caption_of(result, k, 200) if isinstance(result, Attribution) else target
        rows.append(("target", words))
    more = len(provenance.targets) - _MOST
    rows += [("target", f"and {more} more")] if more > 0 else []
    told = ", ".join(f"{name}={words}" for name, words in options_of(provenance))
    return [*rows, *([("options", told)] if told else []), *(("warning", each) for each in result.warnings)]


def _text(words: str) -> str:
    return html.escape(" ".join(str(words).split()))
