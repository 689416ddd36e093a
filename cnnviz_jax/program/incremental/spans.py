"""Where the units of a value stand that a change of the image can reach, along one axis and along all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from cnnviz_jax.program.analysis.abstract_values import AbstractValue
from cnnviz_jax.program.analysis.reach import Reach


def number_of(number: float, dtype: Any) -> np.ndarray:
    """Return a number in a dtype; in one of whole numbers an infinity is the least or the greatest of them."""
    if np.isinf(number) and not jnp.issubdtype(dtype, jnp.inexact):
        number = np.iinfo(dtype).min if number < 0 else np.iinfo(dtype).max
    return np.asarray(number, dtype)


Interval = tuple[int, int]
"""First row (or column, or slice) of the image that changes, and one past the last."""

Places = tuple[tuple[Interval, ...], ...]
"""What may change along each axis; a place of a sweep is one interval of each."""


@dataclass(frozen=True, eq=False)
class Span:
    """`size` neighbouring units, those of the worst place, from `start[place]` on; for padding it begins below 0."""

    start: Int[np.ndarray, " places"]
    size: int

    @property
    def stop(self) -> Int[np.ndarray, " places"]:
        """One past the last unit, for each place."""
        return self.start + self.size

    def is_same(self, other: "Span") -> bool:
        """Whether both are the same units at every place."""
        return self.size == other.size and np.array_equal(self.start, other.start)

    def taps(self, size: int, stride: int, pad: int, dilation: int = 1) -> "Span":
        """The units that sliding windows of `size` taps read to give these units; below 0 is padding."""
        return Span(self.start * stride - pad, (self.size - 1) * stride + (size - 1) * dilation + 1)


def changed(
    reach: Reach, units: int, places: Sequence[Interval]
) -> tuple[Int[np.ndarray, " places"], Int[np.ndarray, " places"]]:
    """Return, for each place, the first unit that sees any of the rows (or columns) that change, and one past the last.

    Where no unit does, the first one stands for them.
    """
    first, last = reach.spread(units).first, reach.spread(units).last
    # A unit changes if its interval [first, last] meets [start, stop): first < stop and last >= start. The table makes
    # no assumption of order, so mirrored and repeated maps are right as well; the span is from the first to the last.
    at = np.asarray(places)
    sees = (first[None, :] < at[:, 1:]) & (last[None, :] >= at[:, :1]) & (first <= last)[None, :]
    some = sees.any(1)
    return np.where(some, sees.argmax(1), 0), np.where(some, units - sees[:, ::-1].argmax(1), 1)


def reached(reach: Reach, units: int, places: Sequence[Interval]) -> Span:
    """Return the units that see any of the rows (or columns) that change, kept inside the map."""
    # The length is that of the worst place: of 16 rows behind a 3 x 3 convolution, rows 4 to 7 reach units 3 to 8, six
    # of them, but rows 12 to 15 only units 11 to 15. There the span starts at 10, and unit 10 is recomputed to the
    # number it had. A static length lets one compiled program, and `vmap`, serve all places.
    low, high = changed(reach, units, places)
    size = int((high - low).max())
    return Span(np.minimum(low, units - size), size)


@dataclass(frozen=True, eq=False)
class Window:
    """The changed part of a value: a rectangle (a box, in a volume) of its map, all its channels."""

    axes: tuple[int, ...]
    """Which axes of the value are the input's spatial axes, its rows and its columns in an image."""
    spans: tuple[Span, ...]

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """Shape of the part, of a value of shape `whole`."""
        sizes = dict(zip(self.axes, (span.size for span in self.spans), strict=True))
        return tuple(sizes.get(axis, size) for axis, size in enumerate(whole))

    def along(self, whole: Sequence[int]) -> "Window":
        """The part of a value of shape `whole` beside this one, where some axis is one unit that all places share."""
        spans = (
            span if whole[axis] > 1 else Span(np.zeros_like(span.start), 1)
            for axis, span in zip(self.axes, self.spans, strict=True)
        )
        return Window(self.axes, tuple(spans))

    def share(self, whole: Sequence[int]) -> float:
        """The part's share of the map."""
        return prod(span.size for span in self.spans) / max(1, prod(whole[axis] for axis in self.axes))

    def is_same(self, other: "Window") -> bool:
        """Whether both are the same rectangle at every place."""
        return all(a.is_same(b) for a, b in zip(self.spans, other.spans, strict=True))


def map_axes(abstract: AbstractValue, shape: Sequence[int]) -> tuple[int, ...] | None:
    """Return which axes of a value are the input's spatial ones, each alone in its axis; `None` if they are not.

    A series has columns alone: the batch of one, which is as long, stands for its row.
    """
    found = [
        next((position for position, axis in enumerate(abstract.axes) if axis == ((k, shape[position]),)), None)
        for k in range(len(abstract.seen()))
    ]
    if found[0] is None and abstract.carrier(0) is None and abstract.axes[:1] == ((("B", 1),),):
        found[0] = 0
    known = tuple(axis for axis in found if axis is not None)
    return known if len(known) == len(found) else None


def window_of(abstract: AbstractValue, shape: Sequence[int], places: Places) -> Window | None:
    """Return the part of a value that a sweep changes; `None` where it has no map to take a part of."""
    axes = map_axes(abstract, shape)
    if axes is None:
        return None
    reach = abstract.seen()
    if any(len(part.first) not in (1, shape[axis]) for part, axis in zip(reach, axes, strict=True)):
        return None
    return Window(axes, tuple(reached(reach[k], shape[axis], places[k]) for k, axis in enumerate(axes)))
