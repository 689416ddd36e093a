"""Digests of arrays: what says that two runs, or a run and what is kept of another, compute the same numbers."""

import hashlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from cnnviz_jax.model.model import Model


def named_digest(named: Iterable[tuple[str, Any]], start: str = "") -> str:
    """Return the SHA-256 over arrays in their order: names, dtypes, shapes and bytes, after the text `start`."""
    hashed = hashlib.sha256(start.encode())
    for name, leaf in named:
        array = np.asarray(leaf)
        # The text before the bytes: (2, 3) zeros and (3, 2) zeros have the same bytes, and so have 0 and 0.0.
        hashed.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def weights_digest(model: Model) -> str:
    """Return the SHA-256 over all parameters of a model; part of a run's fingerprint."""
    named = list(zip(model.structure.pure.param_paths, jax.tree.leaves(model.params), strict=True))
    for added in model.codes:
        named += [(f"{added.name} {added.layer} {i}", leaf) for i, leaf in enumerate(jax.tree.leaves(added.codec))]
    return named_digest(named)


def arrays_digest(tree: Any) -> str:
    """Return a short text that differs for other arrays in a pytree of given shapes.

    Keys of synthesis targets are made of it, so what it returns must never change.
    """
    total = hashlib.sha256(str(jax.tree.structure(tree)).encode())
    for leaf in jax.tree.leaves(tree):
        total.update(np.ascontiguousarray(np.asarray(leaf)).tobytes())
    return total.hexdigest()[:24]
