"""Maps that differ: how far the explanations of two networks are apart on the same images."""

from typing import Literal

import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.rows import centred_ranks

MapDistance = Literal["spearman", "total_variation"]
"""`spearman`: 1 less the rank correlation, 0 to 2. `total_variation`: of the sizes as shares of their sum, 0 to 1."""


def map_distance(
    old: Float[Array | np.ndarray, "*_"], new: Float[Array | np.ndarray, "*_"], kind: MapDistance = "spearman"
) -> Float[np.ndarray, " n"]:
    """Return how far two networks' maps of each image are apart; 0 where they are the same.

    Args:
        old: Maps of one network, (n, h, w).
        new: Those of the other for the same images; of two sizes both are averaged down to the coarser grid, which must
            divide the finer one.
        kind: Which distance. A map of one value only has no ranks: its rank correlation is 0.

    Raises:
        UsageError: The shapes do not fit, or there is no such distance.
    """
    first, second = np.asarray(old, np.float64), np.asarray(new, np.float64)
    if first.ndim != 3 or second.ndim != 3 or len(first) != len(second):
        raise UsageError(f"maps are (n, h, w) of the same images, got {first.shape} and {second.shape}")
    grid = tuple(min(sizes) for sizes in zip(first.shape[1:], second.shape[1:], strict=True))
    first, second = _coarser(first, grid), _coarser(second, grid)
    if kind == "total_variation":
        shares = [np.abs(each) / np.maximum(np.abs(each).sum(1, keepdims=True), 1e-300) for each in (first, second)]
        return np.abs(shares[0] - shares[1]).sum(1) / 2
    if kind != "spearman":
        raise UsageError(f'kind is "spearman" or "total_variation", got {kind!r}')
    ranks = [centred_ranks(each) for each in (first, second)]
    below = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return 1 - np.where(below > 0, (ranks[0] * ranks[1]).sum(1) / np.where(below > 0, below, 1), 0)


def _coarser(maps: Float[np.ndarray, "n h w"], grid: tuple[int, ...]) -> Float[np.ndarray, "n p"]:
    """Return maps on a coarser grid, one row each: the mean of the cells that fall together."""
    steps = [size // cells for size, cells in zip(maps.shape[1:], grid, strict=True)]
    if [step * cells for step, cells in zip(steps, grid, strict=True)] != list(maps.shape[1:]):
        raise UsageError(f"a map of {maps.shape[1:]} cannot be averaged down to {grid}; bring both to one size")
    cells = maps.reshape(len(maps), grid[0], steps[0], grid[1], steps[1]).mean((2, 4))
    return cells.reshape(len(maps), -1)
