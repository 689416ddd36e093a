"""Orthogonal Procrustes: how far two layers stay apart after the best rotation."""

from typing import Literal

import numpy as np

from cnnviz_jax.errors import UsageError
from cnnviz_jax.similarity.rows import Rows, Values, centred, paired_rows

Distance = Literal["squared", "angular", "disparity"]
"""`squared`: 2 - 2 v; `angular`: arccos v; `disparity`: 1 - v², which SciPy returns; v is the nuclear norm of X'Y."""


def procrustes(x: Values, y: Values, distance: Distance = "squared", *, rows: Rows = "pooled") -> float:
    """Return how far two layers, each centred and of Frobenius norm 1, stay apart after the best rotation of one.

    0 for the same up to rotation and scale. Widths may differ.

    Raises:
        UsageError: A side never changes, or there is no such distance.

    Source: Schönemann 1966; Ding, Denain and Steinhardt 2021, section 2.
    """
    first, second = (centred(each) for each in paired_rows(x, y, rows))
    sizes = np.linalg.norm(first), np.linalg.norm(second)
    if not min(sizes) > 0:
        raise UsageError("a layer that is the same for every image has no shape to compare")
    common = min(float(np.linalg.svd(first.T @ second, compute_uv=False).sum() / (sizes[0] * sizes[1])), 1.0)
    found = {"squared": 2 - 2 * common, "angular": float(np.arccos(common)), "disparity": 1 - common**2}
    if distance not in found:
        raise UsageError(f'distance is "squared", "angular" or "disparity", got {distance!r}')
    return found[distance]
