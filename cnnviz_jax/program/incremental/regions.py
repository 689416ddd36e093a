"""Reading a region of a changed value: the unchanged map with the changed part laid over it.

All sizes are static; only where the region and the part begin is read from tables by the place's number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

from cnnviz_jax.program.incremental.spans import Span, Window

SweepPlace = tuple[Int[Array, ""], ...]
"""Which interval of the sweep along each axis, such as which of its rows and which of its columns."""


def at(table: Int[np.ndarray, " places"], number: Int[Array, ""]) -> Any:
    """Return an entry of a table, as a plain number where all are equal."""
    return int(table[0]) if (table == table[0]).all() else jnp.asarray(table, jnp.int32)[number]


@dataclass(frozen=True, eq=False)
class Cut:
    """How a region is cut out along one axis of the padded map, and where in it the part lies."""

    start: Int[np.ndarray, " places"]
    """Where the buffer begins in the map, before padding is added."""
    size: int
    """Length of the buffer: the region and, where the part reaches beyond it, that too."""
    offset: Int[np.ndarray, " places"]
    """Where the part lies in the buffer."""
    skipped: int
    """Where the region begins in the buffer."""
    length: int
    """Length of the region."""

    @classmethod
    def of(cls, region: Span, part: Span) -> "Cut":
        """Return the cut for a region of a value whose changed part is `part`."""
        # Starts differ from place to place, sizes may not: both are those of the worst place. Example: at place 0 the
        # part is units 2 to 5 and the region 1 to 6, at place 1, at the border, the part is 0 to 3, kept inside the
        # map, and the region still 1 to 6. Laid over the region it would begin 1 unit before it: so the buffer is cut 1
        # unit earlier and longer everywhere (before = 1, size 7), the part is laid at offset 2 or 0, and the first unit
        # skipped.
        before = max(0, int((region.start - part.start).max()))
        after = max(0, int((part.stop - region.stop).max()))
        start = region.start - before
        return cls(start, before + region.size + after, part.start - start, before, region.size)

    @property
    def stop(self) -> Int[np.ndarray, " places"]:
        """One past the buffer's end."""
        return self.start + self.size


def read(
    base: Array, part: Array, cuts: tuple[Cut, ...], axes: tuple[int, ...], margin: tuple[int, ...], place: SweepPlace
) -> Array:
    """Return a region of a changed value.

    Args:
        base: The unchanged value, with padding around its map.
        part: Its changed part at this place.
        cuts: Geometry along each axis.
        axes: Which axes these are.
        margin: Padding in front of each.
        place: The place of the sweep.
    """
    starts: list[Any] = [0] * base.ndim
    offsets: list[Any] = [0] * base.ndim
    sizes, first, last = list(base.shape), [0] * base.ndim, list(base.shape)
    for k, axis in enumerate(axes):
        cut = cuts[k]
        starts[axis] = at(cut.start + margin[k], place[k])
        offsets[axis] = at(cut.offset, place[k])
        sizes[axis], first[axis], last[axis] = cut.size, cut.skipped, cut.skipped + cut.length
    buffer = lax.dynamic_slice(base, _indices(starts), sizes)
    buffer = lax.dynamic_update_slice(buffer, part.astype(base.dtype), _indices(offsets))
    return buffer if all(cut.size == cut.length for cut in cuts) else lax.slice(buffer, first, last)


def slice_at(value: Array, window: Window, place: SweepPlace) -> Array:
    """Return the window of a whole value."""
    return lax.dynamic_slice(value, _first(window, value.ndim, place), window.shape(value.shape))


def lay(base: Array, part: Array, window: Window, place: SweepPlace) -> Array:
    """Return the whole changed value: the unchanged one with its changed part laid over it."""
    return lax.dynamic_update_slice(base, part.astype(base.dtype), _first(window, base.ndim, place))


def _first(window: Window, rank: int, place: SweepPlace) -> tuple[Any, ...]:
    starts: list[Any] = [0] * rank
    for k, axis in enumerate(window.axes):
        starts[axis] = at(window.spans[k].start, place[k])
    return _indices(starts)


def _indices(numbers: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(jnp.asarray(number, jnp.int32) for number in numbers)
