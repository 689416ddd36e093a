"""Channel maps as numbered tiles, one block per image."""

import math

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution
from cnnviz_plugins.renderers.figures.sheet import EDGE, TEXT_PT, Sheet, wrapped
from cnnviz_plugins.renderers.heats import Maps, channel_maps
from cnnviz_plugins.renderers.images import painted, rgb
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.text import plain, size, target_of, unit_of

_GAP, _TILE, _NUMBER = 0.07, 0.82, 0.14
_IMAGE = 1.5
_COLUMNS = 8


def maps_figure(attribution: Attribution, options: HeatOptions) -> Figure:
    """Return, per image, the image and its channel maps with their channel numbers."""
    blocks = channel_maps(attribution, options)
    values, images = np.asarray(attribution.values), np.asarray(attribution.images)
    tile_h = _TILE * float(np.clip(values.shape[1] / values.shape[2], 0.3, 3))
    columns = min(_COLUMNS, max(len(blocks[0].heats), 1)) if len(blocks) else 1
    rows = math.ceil(len(blocks[0].heats) / columns) if len(blocks) else 0
    image_h = _IMAGE * images.shape[1] / images.shape[2]
    grid_left = EDGE + _IMAGE + 0.25
    bar = options.scale == "shared"
    sheet_w = max(grid_left + columns * (_TILE + _GAP) + (0.95 if bar else 0) + EDGE, 6.0)
    block_h = max(rows * (tile_h + _NUMBER + _GAP), image_h + 0.3) + 0.3

    provenance = attribution.provenance
    words = [f"{blocks[0].caption}; unit: {unit_of(attribution)}"] if blocks else []
    top = EDGE + 0.35
    heading = f"{provenance.technique} at {provenance.layer or 'layer'} ({size(values.shape[1:])}) · {provenance.model}"
    sheet = Sheet.with_caption(heading, words, attribution.warnings, width=sheet_w, top=top, body=len(blocks) * block_h)
    for k, block in enumerate(blocks):
        sheet.axes(EDGE, top, _IMAGE, image_h).imshow(rgb(images[k]))
        label = wrapped(plain(target_of(attribution, k), 60), _IMAGE, TEXT_PT)
        sheet.text(EDGE, top + image_h + 0.06, label)
        _tiles(sheet, block, grid_left, top, (columns, tile_h))
        if bar and block.heats:
            left = grid_left + columns * (_TILE + _GAP) + 0.05
            heat = block.heats[0]
            sheet.color_bar(left, top, 0.12, min(1.8, block_h - 0.5), heat.scale, heat.colormap, unit_of(attribution))
        top += block_h
    return sheet.figure


def _tiles(sheet: Sheet, block: Maps, left: float, top: float, shape: tuple[int, float]) -> None:
    columns, tile_h = shape
    for k, (heat, channel) in enumerate(zip(block.heats, block.numbers, strict=True)):
        x = left + k % columns * (_TILE + _GAP)
        y = top + k // columns * (tile_h + _NUMBER + _GAP)
        sheet.note(x, y, f"{channel}" + ("  all zero" if heat.is_zero else ""))
        axes = sheet.axes(x, y + _NUMBER, _TILE, tile_h)
        axes.imshow(painted(heat.levels, heat.colormap), aspect="auto")
