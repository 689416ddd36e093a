"""Patches of images as columns and back (`unfold`, `fold`), and values put in at indices."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from cnnviz_jax.plugin import ModelError
from cnnviz_plugins.adapters.torch.operations import op, pair


@op("im2col")
def im2col(self: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Return the patches of images (..., c, h, w) as columns (..., c times the kernel's places, patches)."""
    window, spread, border, step = pair(kernel_size), pair(dilation), pair(padding), pair(stride)
    *front, channels, height, width = self.shape
    rows, columns = _counts((height, width), window, spread, border, step)
    image = _bordered(self, border)
    if window == step and spread == (1, 1):
        image = image[..., : rows * window[0], : columns * window[1]]
        tiles = image.reshape((*front, channels, rows, window[0], columns, window[1]))
        places = jnp.moveaxis(tiles, (-3, -1), (-4, -3))  # ... c kernel rows, kernel columns, rows, columns
    else:
        reach = ((rows - 1) * step[0] + 1, (columns - 1) * step[1] + 1)
        parts = [
            image[..., top : top + reach[0] : step[0], left : left + reach[1] : step[1]]
            for top, left in _starts(window, spread)
        ]
        places = jnp.stack(parts, axis=-3)
    return places.reshape((*front, channels * window[0] * window[1], rows * columns))


@op("col2im")
def col2im(self: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Return columns laid back as images of a size; where patches overlap their values are added."""
    window, spread, border, step = pair(kernel_size), pair(dilation), pair(padding), pair(stride)
    height, width = pair(output_size)
    rows, columns = _counts((height, width), window, spread, border, step)
    *front, length, _ = self.shape
    channels = length // (window[0] * window[1])
    whole = (height + 2 * border[0], width + 2 * border[1])
    if window == step and spread == (1, 1) and whole == (rows * window[0], columns * window[1]):
        places = self.reshape((*front, channels, *window, rows, columns))
        image = jnp.moveaxis(places, (-4, -3), (-3, -1)).reshape((*front, channels, *whole))
    else:
        places = self.reshape((*front, channels, window[0] * window[1], rows, columns))
        zero = jnp.zeros((), self.dtype)
        # The values of one place of the kernel, spread apart by the stride: sums of padded arrays, which every analysis
        # of a program follows, where a scatter would end it.
        spots = [
            [
                (at, size - at - (count - 1) * every - 1, every - 1)
                for at, size, count, every in zip(start, whole, (rows, columns), step, strict=True)
            ]
            for start in _starts(window, spread)
        ]
        still = [(0, 0, 0)] * (len(front) + 1)
        image = functools.reduce(
            jnp.add, [lax.pad(places[..., k, :, :], zero, [*still, *spot]) for k, spot in enumerate(spots)]
        )
    return image[..., border[0] : border[0] + height, border[1] : border[1] + width]


@op("index_put", "_unsafe_index_put")
def index_put(self: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """Return an array with values put in, or added, at indices; a mask takes one number, as its count is not known.

    Raises:
        ModelError: Several numbers are put where a mask says.
    """
    masks = [index for index in indices if index is not None and index.dtype == bool]
    if masks:
        if len(indices) > 1 or values.size != 1:
            raise ModelError("the model puts several numbers where a mask says (x[mask] = values); use torch.where")
        mask = masks[0].reshape(masks[0].shape + (1,) * (self.ndim - masks[0].ndim))
        number = values.reshape(()).astype(self.dtype)
        return jnp.where(mask, self + number if accumulate else number, self)
    place = self.at[tuple(slice(None) if index is None else index for index in indices)]
    return place.add(values) if accumulate else place.set(values)


def _counts(sizes: Any, window: Any, spread: Any, border: Any, step: Any) -> tuple[int, ...]:
    """Return how many patches there are along each axis."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(sizes, window, spread, border, step, strict=True)
    )


def _starts(window: Any, spread: Any) -> Iterator[tuple[int, int]]:
    """Yield where each place of the kernel lies in a patch, row by row."""
    for row, column in itertools.product(range(window[0]), range(window[1])):
        yield row * spread[0], column * spread[1]


def _bordered(image: Any, border: Any) -> Any:
    return jnp.pad(image, [(0, 0)] * (image.ndim - 2) + [(p, p) for p in border])
