"""What reducers ask of a map: its extremes, its sums and the first place of its highest value, in one pass over it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

_INFINITY = 0x7F800000
"""The bits of a float32's infinity; of minus infinity the rank is their complement."""


def extremes(x: Float[Array, "b n c"]) -> tuple[Float[Array, "b c"], Float[Array, "b c"], Bool[Array, "b c"]]:
    """Return lowest and highest finite value per image and unit, inf and -inf where none is, and whether all are.

    All three in one pass, which reducers of the same layer share.
    """
    lowest, highest, largest = over_positions(_extremes_of_runs(x), _OUTERMOST, _farther)
    return _from_rank(lowest), _from_rank(highest), largest < _INFINITY


def first_place(x: Float[Array, "b n c"], highest: Float[Array, "b c"]) -> Int[Array, "b c"]:
    """Return, per image and unit, the first position that holds the highest value of its map.

    Any position where the map holds a value that is not finite. The first run of positions whose largest value is the
    highest, and then the first in that run: what `extremes` has computed on its way, and a look at one run. An argmax,
    and any comparison of every position, takes the CPU as long as all else that a survey asks.
    """
    _, most, _ = _extremes_of_runs(x)
    runs = most.shape[1]
    run = _first_highest(jnp.where(most == -1, 0, most))  # -0.0 is as high as 0.0
    held = jnp.take_along_axis(x.reshape(len(x), runs, -1, x.shape[-1]), run[:, None, None], 1)[:, 0]
    places = jnp.arange(held.shape[1], dtype=jnp.int32)[None, :, None]
    place = jnp.where(held == highest[:, None], places, jnp.int32(held.shape[1] - 1)).min(1)
    return run * held.shape[1] + place


_OUTERMOST = (_INFINITY, ~_INFINITY, 0)
"""Ranks of lowest and highest, and the size, that everything finite replaces."""


def _extremes_of_runs(x: Float[Array, "b n c"]) -> tuple[Int[Array, "b runs c"], ...]:
    """Return ranks of the lowest and highest finite value, and the largest size, of each run of positions.

    A rank is a float's bits as an integer that rises with it: integers have no NaN to watch, so that the CPU compares
    many at once; -0.0 lies just below 0.0. One maximum alone, of floats or integers, XLA reduces without vectors.
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)
    size = bits & 0x7FFFFFFF
    finite = size < _INFINITY
    # Bits of positive floats rise with the value, those of negative ones fall, as a float is a sign and a size: turning
    # the 31 lower bits of the latter round makes all rise. -1.0 is 0xBF800000 and -2.0 0xC0000000; turned they are
    # 0xC07FFFFF and 0xBFFFFFFF, as integers -1065353217 and -1073741825. Turned once more they are what they were.
    rank = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    values = (jnp.where(finite, rank, _INFINITY), jnp.where(finite, rank, ~_INFINITY), size)
    length = _rows(x.shape[1])
    found = jax.lax.reduce(
        tuple(value.reshape(len(x), -1, length, x.shape[-1]) for value in values),
        tuple(jnp.int32(first) for first in _OUTERMOST),
        _farther,
        (2,),
    )
    # The barrier keeps all three where some are read: XLA would make a pass for those alone, and could not see that it
    # is the one that another reducer has asked for.
    kept: tuple[Array, ...] = jax.lax.optimization_barrier(found)
    return kept


def _farther(a: Any, b: Any) -> Any:
    return jnp.minimum(a[0], b[0]), jnp.maximum(a[1], b[1]), jnp.maximum(a[2], b[2])


def _from_rank(rank: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    value: Array = jax.lax.bitcast_convert_type(rank ^ ((rank >> 31) & 0x7FFFFFFF), jnp.float32)
    return value


def _first_highest(rank: Int[Array, "b m c"]) -> Int[Array, "b c"]:
    """Return the first place of the highest number."""
    places = jax.lax.broadcasted_iota(jnp.int32, rank.shape, 1)

    def higher(a: Any, b: Any) -> Any:
        is_next = (b[0] > a[0]) | ((b[0] == a[0]) & (b[1] < a[1]))
        return jnp.where(is_next, b[0], a[0]), jnp.where(is_next, b[1], a[1])

    return over_positions((rank, places), (-(2**31), 2**31 - 1), higher)[1]


def position_sums(x: Float[Array, "b n c"]) -> tuple[Float[Array, "b c"], Float[Array, "b c"]]:
    """Return sum and sum of squares over positions, in an order of additions that no other image of the batch changes.

    XLA splits one sum alone among threads by the batch's size, so that its last bits would depend on that; two that
    are joined in one loop, it does not. The barrier keeps the second where nobody reads it.
    """
    # A pass of its own: five arrays in one, or these two and two extremes, take twice as long as two passes.
    joined = over_positions((x, x * x), (0, 0), lambda a, b: (a[0] + b[0], a[1] + b[1]))
    first, second = jax.lax.optimization_barrier(joined)
    return first, second


def over_positions(
    values: Sequence[Shaped[Array, "b n c"]], initial: Sequence[float], join: Callable[[Any, Any], Any]
) -> tuple[Shaped[Array, "b c"], ...]:
    """Return several arrays, each reduced over positions, in one pass; `join` takes and returns a tuple of them.

    Positions are taken as a table whose rows are joined, what is left of them as a smaller one, and so on: a row of
    many positions and channels is long enough for the CPU's vectors, which a row of channels is not. With more than
    some eighteen rows XLA writes a loop over them that uses no vectors, ten times as slow.
    """
    start = tuple(jnp.asarray(first, value.dtype) for first, value in zip(initial, values, strict=True))
    # 56 x 56 positions: 16 rows of 196 are joined to one of 196, that as 14 rows of 14, and those 14 as rows of one.
    count, left = values[0].shape[1], tuple(values)
    while True:
        rows = _rows(count)
        tables = tuple(value.reshape(len(value), rows, -1) for value in left)
        joined = jax.lax.reduce(tables, start, join, (1,))
        count //= rows
        left = tuple(value.reshape(len(value), count, -1) for value in joined)
        if count == 1:
            return tuple(value[:, 0] for value in left)


def _rows(count: int) -> int:
    """Return the rows of a table of so many positions: at most 16, or all where nothing so small divides them."""
    return next((rows for rows in range(16, 1, -1) if count % rows == 0), count)
