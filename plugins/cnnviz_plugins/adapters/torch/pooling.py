"""Pooling over windows of two spatial axes, also to a given output size."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from cnnviz_jax.plugin import ModelError
from cnnviz_plugins.adapters.torch.operations import OPERATIONS, op, pair


@op("max_pool2d")
def max_pool(
    self: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """Return the largest value of each window."""
    step, dilation = _step(kernel_size, stride), pair(dilation)
    window, pads = _laid(self.shape[-2:], pair(kernel_size), step, pair(padding), dilation, ceil_mode)
    # A NumPy number: JAX knows a maximum only by a start that is known when tracing.
    floating = jnp.issubdtype(self.dtype, jnp.floating)
    start = np.array(-np.inf if floating else np.iinfo(self.dtype).min, self.dtype)
    return _reduced(self, start, lax.max, window, step, pads, dilation)


@op("avg_pool2d")
def avg_pool(
    self: Any,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window, with or without the border counted."""
    step, border = _step(kernel_size, stride), pair(padding)
    window, pads = _laid(self.shape[-2:], pair(kernel_size), step, border, (1, 1), ceil_mode)
    total = _reduced(self, np.zeros((), self.dtype), lax.add, window, step, pads)
    if divisor_override is not None:
        return total / divisor_override
    counts = [
        _counts(n, k, s, low, high, p if count_include_pad else 0)
        for n, k, s, (low, high), p in zip(self.shape[-2:], window, step, pads, border, strict=True)
    ]
    table = np.outer(*counts)
    return total / (float(table.flat[0]) if (table == table.flat[0]).all() else jnp.asarray(table, self.dtype))


@op("adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def adaptive_avg_pool(self: Any, output_size: Sequence[int]) -> Any:
    """Return means of windows laid so that the result has the size asked for."""
    sizes = _sizes(self, output_size)
    if sizes == (1, 1):
        return self.mean((-2, -1), keepdims=True)
    if all(n % o == 0 for n, o in zip(self.shape[-2:], sizes, strict=True)):
        return avg_pool(self, tuple(n // o for n, o in zip(self.shape[-2:], sizes, strict=True)))
    return _adaptive(self, sizes, jnp.mean)


@op("adaptive_avg_pool1d")
def adaptive_avg_pool1d(self: Any, output_size: Sequence[int]) -> Any:
    """Return means along the last axis, as transformers take them over their tokens."""
    (count,) = output_size if isinstance(output_size, Sequence) else (output_size,)
    if count == 1:
        return self.mean(-1, keepdims=True)
    return jnp.squeeze(adaptive_avg_pool(jnp.expand_dims(self, -2), (1, count)), -2)


# Where the largest values stood is not told.
OPERATIONS |= {
    "max_pool2d_with_indices": lambda *args, **kwargs: (max_pool(*args, **kwargs), None),
    "adaptive_max_pool2d": lambda self, output_size: (_adaptive(self, _sizes(self, output_size), jnp.max), None),
}


def _reduced(
    self: Any, start: Any, reduce: Any, window: Any, step: Any, pads: Any, dilation: tuple[int, ...] = (1, 1)
) -> Any:
    front = (1,) * (self.ndim - 2)
    return lax.reduce_window(
        self, start, reduce, front + window, front + step, [(0, 0)] * len(front) + pads,
        window_dilation=front + dilation,
    )  # fmt: skip


def _step(kernel_size: Any, stride: Any) -> tuple[int, ...]:
    return pair(stride) if stride not in ((), [], None) else pair(kernel_size)


def _laid(
    sizes: Any, window: Any, step: Any, border: Any, dilation: Any, ceil_mode: bool
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Return the window, cut to what there is, and the border before and after.

    Rounding up, the last window may stand half outside but must begin inside; so may the only one, as transformers'
    EfficientNet pools 2 pixels by 1280.
    """
    cut, pads = [], []
    for n, k, s, p, d in zip(sizes, window, step, border, dilation, strict=True):
        reach = d * (k - 1) + 1
        room = n + 2 * p - reach
        count = room // s + 1
        if ceil_mode and math.ceil(room / s) * s < n + p:
            count = math.ceil(room / s) + 1
        if count < 1:
            raise ModelError(f"a pooling window of {reach} px does not fit into {n} px; say a larger input_shape")
        k = min(k, (n + 2 * p - 1) // d + 1)  # what lies past the border is seen by no window, and never counted
        cut.append(k)
        pads.append((p, max((count - 1) * s + d * (k - 1) + 1 - n - p, p)))
    return tuple(cut), pads


def _counts(n: int, k: int, s: int, low: int, high: int, counted: int) -> Any:
    """Return how many positions each window along an axis counts: those inside a border of `counted`."""
    line = np.zeros(low + n + high)
    line[low - counted : low + n + counted] = 1
    return np.array([line[i : i + k].sum() for i in range(0, len(line) - k + 1, s)])


def _sizes(self: Any, output_size: Any) -> tuple[int, ...]:
    return tuple(n if o is None else o for n, o in zip(self.shape[-2:], pair(output_size), strict=True))


def _adaptive(self: Any, sizes: tuple[int, ...], reduce: Any) -> Any:
    for axis, out in zip((self.ndim - 2, self.ndim - 1), sizes, strict=True):
        n = self.shape[axis]
        parts = [
            reduce(lax.slice_in_dim(self, i * n // out, -(-(i + 1) * n // out), axis=axis), axis=axis, keepdims=True)
            for i in range(out)
        ]
        self = jnp.concatenate(parts, axis=axis)
    return self
