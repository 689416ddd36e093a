"""A place in the unit square for every row of activations."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from cnnviz_jax.errors import UsageError

Margins = Literal["even", "lucid"]
"""`even`: a tenth of the range between the outer percentiles on either side. `lucid`: its upper margin is a tenth of
the range with the lower margin in it, 0.11."""
_MARGIN, _OUTER = 0.1, (1, 99)


def principal_axes(rows: Float[np.ndarray, "n c"], axes: int = 2) -> Float[np.ndarray, "n axes"]:
    """Return the rows' places on their first principal components.

    Of each component's direction the entry of the largest size is positive, so that the layout is the same every time.

    Raises:
        UsageError: There are fewer channels or rows than axes.
    """
    values = np.asarray(rows, np.float64)
    if values.ndim != 2 or min(values.shape) < axes:
        raise UsageError(f"{axes} axes need as many rows and channels, got shape {values.shape}")
    values = values - values.mean(0)
    directions = np.linalg.svd(values, full_matrices=False)[2][:axes]
    largest = directions[np.arange(axes), np.abs(directions).argmax(1)]
    found: np.ndarray = values @ (directions * np.where(largest < 0, -1, 1)[:, None]).T
    return found


def normalised(places: Float[np.ndarray, "n k"], margins: Margins = "even") -> Float[np.ndarray, "n k"]:
    """Return places in [0, 1] along each axis: the outer hundredths are clipped to a margin around all others.

    The smallest place that is left becomes 0, the largest 1; an axis on which nothing differs is 0.5.

    Raises:
        UsageError: There are no such margins.

    Source: Lucid, `layout.py` of its activation atlas recipe.
    """
    values = np.asarray(places, np.float64)
    low, high = np.percentile(values, _OUTER, axis=0)
    wider = low - _MARGIN * (high - low)
    if margins == "even":
        upper = high + _MARGIN * (high - low)
    elif margins == "lucid":
        upper = high + _MARGIN * (high - wider)
    else:
        raise UsageError(f'margins are "even" or "lucid", got {margins!r}')
    clipped = np.clip(values, wider, upper)
    clipped = clipped - clipped.min(0)
    span = clipped.max(0)
    return np.divide(clipped, span, out=np.full_like(clipped, 0.5), where=span > 0)
