"""Activation atlases: what a layer holds anywhere in the images, on one plane, each cell as an image made for it."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import (
    Cell,
    Cells,
    Collection,
    Facts,
    Layer,
    Part,
    Sampling,
    SiteCase,
    Text,
    Tiles,
    atlas,
    boxes_of,
    root_key,
    sampled,
)
from cnnviz_plugins.explorer.collections.cells import illustrated, units_of

_NEAREST, _STRONGEST = 4, 6
_ROWS = 4000
_SMALLEST = 0.4
"""Side of a cell of few positions; by area alone all but what is everywhere, such as background, would be dots."""
_NOTE = (
    "Each cell holds positions of images at which the layer says nearly the same; neighbours say something alike. Its"
    " image was made to take the layer, at its middle, along the mean of the cell's values less what all have in common"
    " (whitened). An image that was made shows a direction, not a photograph: the crops beside it are real."
)


def build(config: Any, case: SiteCase) -> Collection:
    """Return one page for each layer that is named; nothing is computed before its page.

    Raises:
        LayerNotFoundError: No such layer.
    """
    layers = [case.model.layers[case.model.layers.resolve(name)] for name in config.of.split("+")]
    return Collection(titles=[layer.name for layer in layers], page=lambda number: _page(config, case, layers[number]))


def _page(config: Any, case: SiteCase, layer: Layer) -> list[Part]:
    values, index = rows_of(config, case, layer)
    if len(values) <= 2 or layer.channels < 2:
        return [Text(text=f"{len(values)} positions of {layer.channels} channels are too few for a plane.")]
    places = atlas.normalised(atlas.principal_axes(values))
    inverse = atlas.whitening(values)
    levels, told = [], []
    for size in config.sizes:
        cells = atlas.cells_of(places, size)
        means = atlas.cell_means(values, cells, more_than=config.more_than)
        told.append((f"cells of {size} × {size} with more than {config.more_than} positions", len(means)))
        if means:
            levels.append((size, size, _cells(config, case, layer, values, index, cells, means, inverse)))
    facts = Facts(rows=[("positions", len(values)), ("images", len(np.unique(index[:, 0]))), *told])
    if not levels:
        return [facts, Text(text="No cell has enough positions; more images, or `more_than=0`, give some.")]
    return [Text(text=_NOTE), Cells(levels=levels, title=f"Activation atlas of {layer.name}"), facts]


def rows_of(config: Any, case: SiteCase, layer: Layer) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, "n axes"]]:
    """Return the layer's values at positions that are drawn by each image's number, and image, row and column."""
    positions = config.positions or max(1, -(-_ROWS // len(case.dataset)))
    sampling = Sampling(layer=layer.name, shape=layer.shape, positions=positions)
    key = jax.random.fold_in(root_key(case.key), 0)
    parts = list(sampled(sampling, case.model, case.dataset, key, memory_budget=case.memory_budget))
    return np.concatenate([part.values for part in parts]), np.concatenate([part.index for part in parts])


def _cells(
    config: Any, case: SiteCase, layer: Layer, values: Float[np.ndarray, "n c"], index: Int[np.ndarray, "n axes"],
    cells: Any, means: dict[tuple[int, int], Float[np.ndarray, " c"]], inverse: Float[np.ndarray, "c c"],
) -> list[Cell]:  # fmt: skip
    size, most = len(cells.counts), cells.counts.max()
    directions = np.stack([mean @ inverse for mean in means.values()])
    shows = illustrated(case, layer, directions, recipe=config.recipe, steps=config.steps)
    found = []
    for ((across, up), mean), show in zip(means.items(), shows, strict=True):
        own = np.flatnonzero(cells.number == across * size + up)
        near = own[np.argsort(((values[own] - mean) ** 2).sum(1), kind="stable")[:_NEAREST]]
        count = int(cells.counts[across, up])
        found.append(
            show(
                f"image made for {count} positions",
                row=size - 1 - up,  # the second axis points up
                column=across,
                size=_SMALLEST + (1 - _SMALLEST) * float(np.sqrt(count / most)),
                parts=[
                    Tiles(tiles=_crops(case, layer, index[near]), title="Real places nearest to its mean"),
                    units_of(layer, mean, _STRONGEST, "Units of the largest mean"),
                ],
            )
        )
    return found


def _crops(case: SiteCase, layer: Layer, index: Int[np.ndarray, "k axes"]) -> Sequence[Any]:
    boxes = boxes_of(layer, case.model.input_shape, index[:, 1:].astype(np.int64))
    return [case.tile(int(number), box) for number, box in zip(index[:, 0], boxes, strict=True)]
