"""Mosaics: images of several classes side by side, and how much of a map lies in the cells of its class."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, UsageError
from cnnviz_plugins.measure.localization.measures import Localized, share_inside
from cnnviz_plugins.measure.options.localization import GridPointingGameConfig

_NOTHING = 1e-7
"""A positive part of at most this sum points nowhere (Rao et al. 2022, their code)."""


@dataclass(frozen=True, kw_only=True)
class Focus(Localized):
    """The share of the map's positive part on the cells that the mask marks; 0 for a map without one.

    Source: Arias-Duart, Parés, Garcia-Gasulla, Giménez-Ábalos 2022, section 3.
    """

    better: Better = "higher"

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the share."""
        return share_inside(jnp.maximum(heat, 0.0), inside)


@dataclass(frozen=True, kw_only=True)
class GridPointingGame(Focus):
    """The share of the map's positive part in the cell that the mask marks; 0 for a map without one.

    `extras` has `cells`, the share of each. Chance is one over the number of cells.

    Source: Böhle, Fritz, Schiele 2021, section 4; Rao, Böhle, Schiele 2022, section 3.
    """

    config: GridPointingGameConfig

    def further(self, heat: Float[Array, "h w"]) -> dict[str, Array]:
        """Return the share of every cell."""
        return {"cells": cell_shares(heat, self.config.cells)}


def cell_shares(heat: Float[Array, "h w"], cells: int) -> Float[Array, "{cells} {cells}"]:
    """Return the share of a map's positive part in each of cells x cells equal cells; zeros for a map without one.

    Where a side does not divide, cell i ends at floor((i + 1) side / cells).
    """
    positive = jnp.maximum(heat, 0.0)
    rows, cols = (jnp.asarray(_membership(size, cells), heat.dtype) for size in heat.shape)
    inside = jnp.einsum("rh,rc,cw->hw", rows, positive, cols, precision="highest")
    total = positive.sum()
    return jnp.where(total > _NOTHING, inside / jnp.where(total > _NOTHING, total, 1.0), 0.0)


def mosaic(images: Float[np.ndarray, "n h w c"], cells: int = 2) -> Float[np.ndarray, "rows cols c"]:
    """Return cells x cells images as one, in reading order.

    Raises:
        UsageError: Their number is not cells x cells.
    """
    count, height, width, channels = images.shape
    if count != cells**2:
        raise UsageError(f"a mosaic of {cells} x {cells} cells takes {cells**2} images, got {count}")
    rows = images.reshape(cells, cells, height, width, channels).transpose(0, 2, 1, 3, 4)
    return rows.reshape(cells * height, cells * width, channels)


def cell_mask(height: int, width: int, cells: int, cell: int) -> Bool[np.ndarray, "h w"]:
    """Return a mask that is true on one cell of a mosaic of the given size; cells are counted in reading order.

    Raises:
        UsageError: There is no such cell.
    """
    if not 0 <= cell < cells**2:
        raise UsageError(f"a mosaic of {cells} x {cells} has cells 0 to {cells**2 - 1}, got {cell}")
    row, col = _membership(height, cells)[:, cell // cells], _membership(width, cells)[:, cell % cells]
    return np.outer(row, col) > 0


def _membership(size: int, cells: int) -> Float[np.ndarray, "size cells"]:
    """1 where a row lies in a cell."""
    edges = np.arange(cells + 1) * size // cells
    return ((np.arange(size)[:, None] >= edges[:-1]) & (np.arange(size)[:, None] < edges[1:])).astype(np.float64)
