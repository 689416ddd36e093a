"""An architecture by name, and what building it gives: what `cv.adapt` takes, and the framework's own forward."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Forward = Callable[[np.ndarray], np.ndarray]
CHECKS = ("adapts", "equal", "names", "fields", "grad-cam", "lrp", "occlusion")
"""What a network is held to, in the order of their worth."""


@dataclass(frozen=True)
class Network:
    """A network with its numbers."""

    native: tuple[Any, ...]
    """What `cv.adapt` is called with."""
    shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    forward: Forward
    """The framework's own scores of images (n, h, w, c), without this package."""
    modules: frozenset[str]
    """Paths of the framework's modules, with dots."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `cv.adapt`."""
    exact: Forward | None = None
    """The framework's scores computed in 64 bits, where it can."""


@dataclass(frozen=True)
class Architecture:
    """A network that can be built."""

    library: str
    name: str
    build: Callable[[], Network]
    """Makes it; takes time and memory."""


def stirred(array: Any, rng: np.random.Generator) -> Any:
    """Return the numbers, or, where all are equal, different ones: a zero head or a scale of 1e-6 would hide a lot.

    Scales and variances stay positive.
    """
    array = np.asarray(array)
    if array.dtype.kind != "f" or array.size < 2 or np.ptp(array) > 0:
        return array
    value = float(array.flat[0])
    if abs(value) < 1e-2:
        return rng.normal(0, 0.1, array.shape).astype(array.dtype)
    return (value * rng.uniform(0.7, 1.3, array.shape)).astype(array.dtype)


def random_leaf(
    path: str, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator, *, inputs_first: bool = True
) -> np.ndarray:
    """Return random numbers for a parameter of a name and shape, as a usual initialiser would; variances positive.

    `inputs_first` says whether a kernel's last axis is its outputs' (HWIO), or its first (OIHW).
    """
    *above, name = path.lower().split(".")
    if name in ("average", "hidden") and above:  # Haiku's moving averages
        name = above[-1]
    dtype = np.dtype(dtype)
    if dtype.kind != "f" and dtype.name != "bfloat16":
        return np.zeros(shape, dtype)
    if any(word in name for word in ("var", "scale", "gamma")) or (name == "weight" and len(shape) == 1):
        return rng.uniform(0.7, 1.3, shape).astype(dtype)
    if len(shape) < 2 or any(word in name for word in ("bias", "mean", "beta", "offset")):
        return rng.normal(0, 0.1, shape).astype(dtype)
    fan = max(1, math.prod(shape[:-1] if inputs_first else shape[1:]))
    return (rng.standard_normal(shape, np.float32) * math.sqrt(2 / fan)).astype(dtype)


def paths_above(names: Iterable[str]) -> frozenset[str]:
    """Return dotted paths and all paths that they lie in."""
    found = set()
    for name in names:
        parts = name.split(".")
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return frozenset(found)
