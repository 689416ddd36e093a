"""Results as one image, without matplotlib: for the log of a training, which has no time for figures."""

import math
from typing import Any

import numpy as np
from jaxtyping import UInt8

from cnnviz_jax.plugin import Attribution, FilterBank, RenderError, Synthesis
from cnnviz_plugins.renderers.images import atlas, rgb
from cnnviz_plugins.renderers.kernels import filter_tiles
from cnnviz_plugins.renderers.notebook import overlay
from cnnviz_plugins.renderers.options import FilterOptions

_LEAST_PX = 48
"""Short side of a tile of a few; smaller ones are shown larger, each pixel a square."""
_MOST_FILTERS = 64


def sheet(result: Any) -> UInt8[np.ndarray, "rows columns 3"]:
    """Return the maps, images or filters of a result as one image.

    Args:
        result: An `Attribution` with maps of images, a `Synthesis` or a `FilterBank`.

    Raises:
        RenderError: It is none of them, or a value is not finite.
    """
    if isinstance(result, Attribution):
        tiles = [rgb(each) for each in overlay(result)]
        beside = [rgb(np.asarray(each)) for each in np.asarray(result.images)]
        return _laid_out([each for pair in zip(beside, tiles, strict=True) for each in pair], columns=8)
    if isinstance(result, Synthesis):
        return _laid_out([rgb(each) for each in np.asarray(result.images)], columns=8)
    if isinstance(result, FilterBank):
        shown = filter_tiles(result, FilterOptions(limit=_MOST_FILTERS, inputs=1))
        return _laid_out([shown.strip(place) for place in range(len(shown.numbers))], columns=8)
    raise RenderError(f"a {type(result).__name__} is no grid of images")


def _laid_out(tiles: list[UInt8[np.ndarray, "h w 3"]], columns: int) -> UInt8[np.ndarray, "rows columns 3"]:
    least = _LEAST_PX if len(tiles) <= 2 * columns else _LEAST_PX // 3
    times = max(1, math.ceil(least / min(tiles[0].shape[:2])))
    larger = [each.repeat(times, 0).repeat(times, 1) for each in tiles]
    return atlas(larger, min(columns, len(tiles)), margin=2)
