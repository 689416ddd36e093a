"""Many rows through one compiled shape: the last batch repeats the last row, and what it gives is cut off.

Padding costs less than a second program of another shape.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from cnnviz_jax.compiling.programs import compiled

_FORWARD_BATCH = 64


def in_batches(function: Callable[..., Any], identity: Hashable, fixed: tuple[Any, ...], images: Any) -> Any:
    """Return `function(*fixed, images)` of any number of images, computed in batches of one compiled shape.

    Args:
        function: Pure and traceable; what it returns has a leading axis of images throughout.
        identity: As for `compiled`.
        fixed: Arguments before the images.
        images: Any array; (n, ...).
    """
    import jax
    import numpy as np

    count, parts = len(images), []
    for rows in _rows(count, _FORWARD_BATCH):
        args = (*fixed, images[rows])
        parts.append(compiled(function, identity, args, evaluations=count)(*args))
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *leaves: jax.numpy.asarray(np.concatenate(leaves)[:count]), *parts)


def in_batches_on_host(
    function: Callable[..., Any], identity: Hashable, fixed: tuple[Any, ...], given: tuple[Any, ...], *, most: int
) -> Any:
    """Return `function(*fixed, *given)` as NumPy's arrays; no more than a batch of it is ever on the device.

    Args:
        function: As for `in_batches`.
        identity: As for `compiled`.
        fixed: Arguments before the rows.
        given: Arrays (n, ...) of one length, which is not 0.
        most: Rows of a batch, at most.
    """
    import jax
    import numpy as np

    parts = []
    for rows in _rows(len(given[0]), most):
        args = (*fixed, *(each[rows] for each in given))
        parts.append(jax.device_get(compiled(function, identity, args)(*args)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(given[0])], *parts)


def _rows(count: int, most: int) -> list[Any]:
    import numpy as np

    size = min(most, count)
    return [np.minimum(np.arange(first, first + size), count - 1) for first in range(0, count, size)]
