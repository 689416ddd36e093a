"""What a row is: one image, its layer's values averaged over positions, laid out flat, or one row per position."""

from typing import Literal

import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import UsageError

Rows = Literal["pooled", "flat", "positions"]
"""`pooled`: one row per image, the mean over positions. `flat`: one row per image, all its values. `positions`: one row
per position of an image; rows of one image are not independent."""

Values = Float[Array | np.ndarray, "..."]
"""A layer's values, one entry per image: (n, c), or (n, h, w, c) for a map."""


def as_rows(values: Values, rows: Rows = "pooled") -> Float[np.ndarray, "rows c"]:
    """Return a layer's values as a float64 table of rows; (n, c) is one whatever `rows` says.

    Raises:
        UsageError: The values have no channels, no rows, or are not finite; or `rows` is no such word.
    """
    table = np.asarray(values, np.float64)
    if table.ndim < 2 or not table.size:
        raise UsageError(f"rows are (n, c), and a layer's maps (n, h, w, c), got shape {table.shape}")
    if not np.isfinite(table).all():
        raise UsageError("values that are not finite cannot be compared; leave those images out")
    if table.ndim == 2:
        return table
    if rows == "pooled":
        return table.mean(tuple(range(1, table.ndim - 1)))
    if rows == "flat":
        return table.reshape(len(table), -1)
    if rows == "positions":
        return table.reshape(-1, table.shape[-1])
    raise UsageError(f'rows is "pooled", "flat" or "positions", got {rows!r}')


def paired_rows(
    x: Values, y: Values, rows: Rows = "pooled", *, least: int = 2
) -> tuple[Float[np.ndarray, "rows c"], Float[np.ndarray, "rows d"]]:
    """Return both tables, with the same images in the same order.

    Raises:
        UsageError: The numbers of images differ, or there are fewer than `least` rows.
    """
    if rows == "positions" and np.shape(x)[1:-1] != np.shape(y)[1:-1]:
        raise UsageError(
            f"positions can be paired where both maps have one grid, got {np.shape(x)[1:-1]} and {np.shape(y)[1:-1]}; "
            'rows="pooled" takes any two layers'
        )
    first, second = as_rows(x, rows), as_rows(y, rows)
    if len(first) != len(second):
        raise UsageError(f"both sides hold the same images in the same order, got {len(first)} and {len(second)} rows")
    if len(first) < least:
        raise UsageError(f"at least {least} rows are needed, got {len(first)}")
    return first, second


def centred_ranks(rows: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Return the ranks within each row, less their mean: their products, over their lengths, are Spearman's."""
    from scipy.stats import rankdata

    ranks: np.ndarray = rankdata(rows, axis=1)
    return ranks - ranks.mean(1, keepdims=True)


def centred(x: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    """Return the rows with the mean of each column subtracted."""
    return x - x.mean(0)
