"""Parameters as adapters hand them on: arrays that nobody else writes to, each with a dotted path."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.plugin import ModelError


def is_array(leaf: Any) -> bool:
    """Whether a leaf is a number or array of JAX or NumPy, not a Python object."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def owned(leaf: Any, path: str) -> jax.Array:
    """Return an array leaf as a JAX array that later writes to a NumPy buffer do not reach.

    Raises:
        ModelError: The leaf is a shape without numbers, or an array of objects.
    """
    if isinstance(leaf, jax.Array):
        return leaf
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise ModelError(f"parameter {path} is a shape without numbers ({leaf}); restore or initialise it first")
    buffer = np.array(leaf)
    if not (jnp.issubdtype(buffer.dtype, np.number) or buffer.dtype == np.bool_):
        raise ModelError(f"parameter {path} is not an array of numbers, but a {type(leaf).__name__} of {buffer.dtype}")
    return jnp.asarray(buffer)


def dotted(keys: Iterable[Any]) -> str:
    """Return a pytree key path as words and indices joined by dots, such as `layer1.0.kernel`."""
    return ".".join(str(_word(key)) for key in keys)


def _word(key: Any) -> Any:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return getattr(key, attribute)
    return key
