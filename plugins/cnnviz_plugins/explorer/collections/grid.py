"""The activation grid of an image: what a layer says at each place of it, each place as an image made for it."""

from typing import Any

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import (
    Cells,
    Collection,
    Facts,
    Layer,
    Part,
    SiteCase,
    Text,
    Tiles,
    UsageError,
    capture,
)
from cnnviz_plugins.explorer.collections.cells import illustrated, units_of

_STRONGEST, _SMALLEST = 4, 0.3
_NOTE = (
    "Each cell is an image made to take the layer, at its middle, along what it says of this image at that place; the"
    " larger, the longer the vector there. Beside it stand the units that say it, which have pages of their own."
)


def build(config: Any, case: SiteCase) -> Collection:
    """Return one page for each image and layer that are named; nothing is computed before its page.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: No such image.
    """
    numbers = [_number(word, len(case.dataset)) for word in config.of.split("+")]
    names = [config.layer] if config.layer else [name for name in case.shown if case.model.layers[name].is_map][-1:]
    layers = [case.model.layers[case.model.layers.resolve(name)] for name in names]
    pages = [(number, layer) for number in numbers for layer in layers]
    titles = [f"{case.dataset.source.name(number)} at {layer.name}" for number, layer in pages]
    return Collection(titles=titles, page=lambda at: _page(config, case, *pages[at]))


def _number(word: str, count: int) -> int:
    if not word.isdigit() or int(word) >= count:
        raise UsageError(f"a grid is of images by number, 0 to {count - 1}, such as grid:3+7; got {word!r}")
    return int(word)


def blocks_of(value: Float[np.ndarray, "h w c"], side: int) -> Float[np.ndarray, "rows columns c"]:
    """Return a map's means over blocks, so that it has at most `side` rows and columns."""
    each = [-(-length // side) for length in value.shape[:2]]
    edges = [range(0, length, step) for length, step in zip(value.shape[:2], each, strict=True)]
    means = [[value[r : r + each[0], c : c + each[1]].mean((0, 1)) for c in edges[1]] for r in edges[0]]
    return np.asarray(means, np.float32)


def _page(config: Any, case: SiteCase, number: int, layer: Layer) -> list[Part]:
    image = case.dataset.image(number)
    value = np.asarray(capture(case.model, image[None], [layer.name])[layer.name][0], np.float32)
    grid = blocks_of(value, config.side)
    rows, columns = grid.shape[:2]
    lengths = np.linalg.norm(grid, axis=-1)
    at = np.argwhere(lengths > 0)
    height, width = image.shape[:2]
    whole = case.tile(number, (0, 0, height - 1, width - 1))
    facts = Facts(rows=[("layer", layer.name), ("positions", f"{value.shape[0]} × {value.shape[1]}"),
                        ("cells", f"{rows} × {columns}"), ("largest length", lengths.max())])  # fmt: skip
    if not len(at):
        return [Tiles(tiles=[whole]), Text(text="The layer is zero everywhere for this image."), facts]
    shows = illustrated(case, layer, grid[tuple(at.T)], recipe=config.recipe, steps=config.steps)
    cells = []
    for (row, column), show in zip(at.tolist(), shows, strict=True):
        own, length = grid[row, column], lengths[row, column]
        box = (row * height // rows, column * width // columns, (row + 1) * height // rows - 1,
               (column + 1) * width // columns - 1)  # fmt: skip
        cells.append(
            show(
                f"image made for row {row}, column {column}",
                row=row,
                column=column,
                size=max(_SMALLEST, float(length / lengths.max())),
                parts=[
                    Tiles(tiles=[case.tile(number, box)], title="That place of the image"),
                    units_of(layer, own, _STRONGEST, "Units that say it"),
                    Facts(rows=[("length", length)]),
                ],
            )
        )
    return [
        Tiles(tiles=[whole]),
        Text(text=_NOTE),
        Cells(levels=[(rows, columns, cells)], title="Activation grid"),
        facts,
    ]
