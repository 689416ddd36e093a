"""Cells that show directions of a layer, each as a small image made for it: of atlases and grids."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import Cell, Layer, Part, SiteCase, Tile, Units, as_bytes, direction, shrunk, synthesize

_PX = {"full": 48, "light": 32}
_POWER = 4.0


@runtime_checkable
class Shows(Protocol):
    """What makes the cell of one direction."""

    def __call__(self, words: str, *, row: int, column: int, size: float, parts: Sequence[Part]) -> Cell:
        """Return the cell at a place; the words are for readers who do not see its image."""


def illustrated(
    case: SiteCase, layer: Layer, directions: Float[np.ndarray, "n c"], *, recipe: str, steps: int | None
) -> list[Shows]:
    """Return, for each direction, a function that returns the cell with the image made for it.

    The objective is the dot product times max(0.1, cosine)^4 at the layer's middle position.

    Cost: steps x directions forward and backward passes, by one compiled program.
    Source: Carter et al. 2019, "Activation Atlas"; Olah et al. 2018, "The Building Blocks of Interpretability".
    """
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = directions / np.where(lengths > 0, lengths, 1)  # the length alone changes nothing but the rate of ascent
    target = direction(layer.name, unit.astype(np.float32), power=_POWER, at="middle")
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    made = synthesize(
        "activation-maximization", case.model, target=target, recipe=recipe, key=case.key,
        memory_budget=case.memory_budget, progress=False, **options,
    )  # fmt: skip

    def shows(image: Float[np.ndarray, "h w ch"], reached: float) -> Shows:
        pixels = as_bytes(np.asarray(image))
        pixels = shrunk(pixels, _PX[case.detail] / max(pixels.shape))

        def cell(words: str, *, row: int, column: int, size: float, parts: Sequence[Part]) -> Cell:
            tile = Tile(pixels=pixels, alt=words, value=reached)
            return Cell(row=row, column=column, size=size, tile=tile, parts=parts)

        return cell

    return [shows(image, float(reached)) for image, reached in zip(made.images, made.activation, strict=True)]


def units_of(layer: Layer, value: Float[np.ndarray, " c"], most: int, title: str) -> Units:
    """Return the units of a layer with the largest positive values, at most so many."""
    order = np.argsort(-value, kind="stable")[:most]
    rows = [(layer.name, int(unit), float(np.float32(value[unit]))) for unit in order if value[unit] > 0]
    return Units(rows=rows, title=title)
