"""Resizing: nearest, bilinear and bicubic, with PyTorch's conventions for corners and scales."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from cnnviz_plugins.adapters.torch.operations import OPERATIONS

# By where a pixel of the result looks: the corner it falls on, or its centre; then by the kernel it is a sum of.
OPERATIONS |= {
    "upsample_nearest2d": lambda self, output_size=None, *scales: _nearest(self, output_size, scales, 0.0),
    "_upsample_nearest_exact2d": lambda self, output_size=None, *scales: _nearest(self, output_size, scales, 0.5),
    "upsample_bilinear2d": lambda self, output_size, align_corners, *scales: _interpolated(
        self, output_size, align_corners, scales, lambda t: [(0, 1 - t), (1, t)], clamped=True
    ),
    "upsample_bicubic2d": lambda self, output_size, align_corners, *scales: _interpolated(
        self, output_size, align_corners, scales, _cubic, clamped=False
    ),
    "_upsample_bilinear2d_aa": lambda self, output_size, align_corners, *scales: _antialiased(
        self, output_size, align_corners, scales, lambda d: np.maximum(1 - d, 0), reach=1
    ),
    "_upsample_bicubic2d_aa": lambda self, output_size, align_corners, *scales: _antialiased(
        self, output_size, align_corners, scales, _keys, reach=2
    ),
}


def _sizes(self: Any, output_size: Any, scales: Sequence[Any]) -> list[tuple[int, int, float]]:
    """Return (old size, new size, step in old pixels) per axis."""
    if len(scales) == 1 and isinstance(scales[0], Sequence):
        scales = scales[0]  # the overload `vec` has them in one list
    factors = [None, None] if not scales or scales[0] is None else list(scales)
    old = self.shape[-2:]
    new = output_size or [math.floor(n * f) for n, f in zip(old, factors, strict=True)]
    return [(n, o, 1 / f if f else n / o) for n, o, f in zip(old, new, factors, strict=True)]


def _nearest(self: Any, output_size: Any, scales: Sequence[Any], shift: float) -> Any:
    for axis, (n, out, step) in zip((-2, -1), _sizes(self, output_size, scales), strict=True):
        if out % n == 0:
            self = jnp.repeat(self, out // n, axis=axis)
        else:
            places = np.minimum(np.floor((np.arange(out) + shift) * step).astype(int), n - 1)
            self = jnp.take(self, places, axis=axis)
    return self


def _interpolated(
    self: Any, output_size: Any, align_corners: bool, scales: Sequence[Any], kernel: Any, *, clamped: bool
) -> Any:
    for axis, (n, out, step) in zip((-2, -1), _sizes(self, output_size, scales), strict=True):
        if align_corners:
            source = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0.0)
        else:
            source = (np.arange(out) + 0.5) * step - 0.5
            source = np.maximum(source, 0) if clamped else source
        first = np.floor(source).astype(int)
        table = np.zeros((out, n))
        for offset, weight in kernel(source - first):
            np.add.at(table, (np.arange(out), np.clip(first + offset, 0, n - 1)), weight)
        self = _along(self, axis, table)
    return self


def _along(self: Any, axis: int, table: Any) -> Any:
    """Return the values with one axis replaced by sums of its places, a row of the table each."""
    return jnp.moveaxis(jnp.matmul(jnp.moveaxis(self, axis, -1), jnp.asarray(table.T, self.dtype)), -1, axis)


def _antialiased(
    self: Any, output_size: Any, align_corners: bool, scales: Sequence[Any], kernel: Any, *, reach: int
) -> Any:
    """Return the values by a kernel that is as much wider as the result is smaller; at borders its rest counts whole.

    As `aten/src/ATen/native/cpu/UpSampleKernel.cpp` has it, `_compute_indices_min_size_weights_aa`.
    """
    for axis, (n, out, step) in zip((-2, -1), _sizes(self, output_size, scales), strict=True):
        if align_corners:
            step = (n - 1) / (out - 1) if out > 1 else 0.0
        wide = max(step, 1.0)
        centre = (np.arange(out)[:, None] + 0.5) * step
        places = np.arange(n)[None]
        first, end = np.trunc(centre - reach * wide + 0.5), np.trunc(centre + reach * wide + 0.5)
        weight = kernel(np.abs(places - centre + 0.5) / wide) * ((places >= first) & (places < end))
        self = _along(self, axis, weight / weight.sum(1, keepdims=True))
    return self


def _keys(d: Any) -> Any:
    """Keys' cubic kernel with a = -0.5, PyTorch's choice where it smooths."""
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def _cubic(t: Any) -> list[tuple[int, Any]]:
    a = -0.75  # PyTorch's choice

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [(-1, far(t + 1)), (0, near(t)), (1, near(1 - t)), (2, far(2 - t))]
