"""The table of PyTorch operations that are known in JAX, and what their entries share.

Arguments have PyTorch's names, `input`, `min` and `max` included: graphs pass them by keyword.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Operation = Callable[..., Any]

OPERATIONS: dict[str, Operation] = {}
"""JAX functions by PyTorch's name: `add` for every overload, `max.dim` for one."""


def op(*names: str) -> Callable[[Operation], Operation]:
    """Enter a function into the table under these names of `torch.ops.aten`."""

    def enter(function: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return enter


def dtype_of(name: Any) -> Any:
    """Return the JAX dtype for a PyTorch one, in the widths that JAX has switched on."""
    words = {"double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32"}
    word = str(name).removeprefix("torch.")
    return jax.dtypes.canonicalize_dtype(jnp.dtype(words.get(word, word)))


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """Return axis numbers from 0; none or an empty list mean all."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(ndim))
    return tuple(d % ndim for d in (dim if isinstance(dim, Sequence) else (dim,)))


def pair(value: Any, count: int = 2) -> tuple[int, ...]:
    """Return one number per spatial axis, from a number or a list of one or all."""
    if isinstance(value, int | np.integer):
        return (int(value),) * count
    return tuple(value) * count if len(value) == 1 else tuple(value)
