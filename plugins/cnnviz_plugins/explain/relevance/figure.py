"""The figure of an attribution graph: a column of channels for each layer, joined by what flows between them."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import RenderError, UsageError
from cnnviz_plugins.explain.figure_files import DPI, STYLE, write_figure
from cnnviz_plugins.explain.relevance.results import TARGET, AttributionGraph, Node

_FOR, _AGAINST, _INK, _FAINT = "#b2182b", "#2166ac", "#1b1f24", "#57606a"
_TILE, _COLUMN, _ROW = 0.8, 1.9, 1.08  # inches
_HEAD, _FOOT = 0.4, 0.35
_MOST_IMAGES = 4


def render(result: AttributionGraph, path: Path, *, dpi: int = DPI, **display: Any) -> None:
    """Write the result's figure to `path`; its suffix says whether as PNG, SVG or PDF.

    Raises:
        RenderError: A value is not finite.
        UsageError: An option is unknown or out of range.
    """
    write_figure(figure(result, **display), path, dpi)


def figure(result: AttributionGraph, **display: Any) -> Figure:
    """Return the figure: one graph for each image, the first four.

    Raises:
        RenderError: A value is not finite.
        UsageError: A display option is given: there are none.
    """
    if display:
        raise UsageError(f"no display option {next(iter(display))!r} for a figure of a graph; there is dpi")
    if not np.isfinite(np.asarray(result.values)).all():
        raise RenderError("values that are not finite cannot be drawn; check the model's weights")
    images = range(min(len(result.images), _MOST_IMAGES))
    columns = [_columns(result, image) for image in images]
    heights = [max(map(len, own)) * _ROW + 0.75 for own in columns]
    width = max(_COLUMN * len(result.layers) + _TILE + 0.6, 5.0)
    total = sum(heights) + _HEAD + _FOOT
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(width, total))
        style: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "va": "center"}
        drawn.text(0.15 / width, 1 - 0.22 / total, f"attribution graph · {result.provenance.model}", **style)
        top = _HEAD
        for image, own, height in zip(images, columns, heights, strict=True):
            axes = drawn.add_axes((0, 1 - (top + height) / total, 1, height / total))
            axes.set_axis_off()
            _draw(axes, result, image, own, height)
            axes.set(xlim=(0, width), ylim=(height, 0))
            top += height
        words = "Numbers: relevance. Lines: what a channel has from one below; red for the target, blue against it."
        drawn.text(0.15 / width, 0.17 / total, words, fontsize=7, color=_FAINT)
    return drawn


def _columns(result: AttributionGraph, image: int) -> list[list[Node]]:
    """Return the target, then of each layer its channels, the largest relevance first."""
    nodes = result.nodes(image)
    found = [[TARGET]]
    for place in range(len(result.layers)):
        own = [node for node in nodes if node[0] == place]
        found.append(sorted(own, key=lambda node: -abs(nodes[node])))
    return found


def _draw(axes: Axes, result: AttributionGraph, image: int, columns: list[list[Node]], height: float) -> None:
    nodes = {TARGET: float(np.asarray(result.extras["root"])[image]), **result.nodes(image)}
    places = {
        node: (0.15 + column * _COLUMN, 0.45 + 0.5 * (height - 0.75 - len(own) * _ROW) + row * _ROW)
        for column, own in enumerate(columns)
        for row, node in enumerate(own)
    }
    edges = result.edges(image)
    largest = max((abs(value) for value in edges.values()), default=0.0) or 1.0
    for (above, below), value in edges.items():
        (left, first), (right, second) = places[above], places[below]
        ends = np.linspace(0, 1, 30)
        bend = ends**2 * (3 - 2 * ends)
        axes.plot(
            left + _TILE + ends * (right - left - _TILE),
            first + _TILE / 2 + bend * (second - first),
            color=_FOR if value > 0 else _AGAINST,
            linewidth=0.3 + 5 * abs(value) / largest,
            alpha=0.45,
            solid_capstyle="butt",
            zorder=1,
        )
    words = [*result.provenance.targets[image : image + 1], *result.names[image : image + 1]]
    for column, title in enumerate((" · ".join(words) or "target", *result.layers)):
        axes.text(0.15 + column * _COLUMN, 0.2, title[:26], color=_INK, fontweight="bold", va="center")
    pixels = np.asarray(result.images)[image]
    grey = np.repeat(pixels.mean(-1, keepdims=True), 3, -1)
    for node, (left, top) in places.items():
        shown = grey if node != TARGET else pixels if pixels.shape[-1] == 3 else grey
        if node != TARGET:
            shown = _over(grey, result.map_of(image, node))
        extent = (left, left + _TILE, top + _TILE, top)
        axes.imshow(np.clip(shown, 0, 1), extent=extent, aspect="auto", zorder=2, interpolation="nearest")
        name = f"{nodes[node]:.3g}" if node == TARGET else f"{node[1]}: {nodes[node]:.3g}"
        axes.text(left, top + _TILE + 0.09, name, color=_INK, va="center", fontsize=7, zorder=3)


def _over(grey: Float[np.ndarray, "h w 3"], values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """Return a map in red and blue over a grey image, each map to its own largest size."""
    strength = np.abs(values) / max(float(np.percentile(np.abs(values), 99.5)), 1e-30)
    alpha = np.clip(strength, 0, 1)[..., None]
    colour = np.where((values > 0)[..., None], matplotlib.colors.to_rgb(_FOR), matplotlib.colors.to_rgb(_AGAINST))
    return (1 - alpha) * (0.35 + 0.65 * grey) + alpha * colour
