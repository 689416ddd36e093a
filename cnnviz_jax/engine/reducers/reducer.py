"""What a reducer is, and the batch of images that it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

_INFINITY = 0x7F800000
"""The bits of a float32's infinity; of minus infinity the rank is their complement."""

Delta = dict[str, Array]
"""What one device has gathered since the last flush; counters are int32."""

Total = dict[str, np.ndarray]
"""What has been gathered in all; counters are int64. Every array has at least one element."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some images, as reducers see them."""

    ids: UInt32[Array, " b"]
    """Number of each image in the data set, up to 2**32 - 2."""
    valid: Bool[Array, " b"]
    """False for padding and for images that could not be read; such rows must leave no trace."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By layer: (b, h, w, c), or (b, c) where the layer has no map; and by name what is `Derived`."""
    outputs: Any = None
    """The logits, (b, classes), where a reducer asks for them."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the source gives beside the images, such as `label`, an int32 (b,), -1 where unknown."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """Numbers of one image that the model's layers do not hold, such as relevance: made once for all that read them.

    Subclass as a frozen dataclass, as a reducer is.
    """

    name: str
    """Under which they stand in `Batch.values`; of one name, one and the same."""

    def values(self, model: Any, image: Float[Array, "h w c"]) -> Any:
        """Return what is made of one image, a pytree; traced."""
        raise TypeError(f"{type(self).__name__} defines no values")


@dataclass(frozen=True, kw_only=True)
class Reducer:
    """Facts about many images, gathered in one pass.

    Subclass as a frozen dataclass whose fields are numbers, strings and tuples of them: they are the
    compiled program's identity and part of a run's fingerprint. `init` and `update` are traced.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose values `update` reads, by resolved name."""
        return ()

    @property
    def derived(self) -> tuple[Derived, ...]:
        """What else `update` reads of an image."""
        return ()

    @property
    def needs_outputs(self) -> bool:
        """Whether `update` reads the model's outputs."""
        return False

    @property
    def fields(self) -> tuple[str, ...]:
        """Names in `Batch.fields` that `update` reads."""
        return ()

    @property
    def capacity(self) -> int:
        """Images that one delta can hold before an int32 counter could overflow; it is flushed before that."""
        return 2**31 - 1

    def init(self) -> Delta:
        """Return the delta of no images."""
        raise TypeError(f"{type(self).__name__} defines no init")

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the delta with a batch folded in; rows that are not `valid` leave no trace."""
        raise TypeError(f"{type(self).__name__} defines no update")

    def lift(self, delta: Mapping[str, Any]) -> Total:
        """Return one device's delta as a total: integers as int64, and names that only `update` needs left out."""
        return {name: _wide(np.asarray(leaf)) for name, leaf in delta.items()}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the total of one or more totals over different images; exact, whatever their order."""
        raise TypeError(f"{type(self).__name__} defines no merge")

    def finish(self, total: Total) -> Total:
        """Return the result in the user's terms, as named arrays."""
        return total

    def empty(self) -> Total:
        """Return the total of no images."""
        return self.merge([self.lift(self.init())])


@dataclass(frozen=True, kw_only=True)
class LayerReducer(Reducer):
    """Facts about the units of one layer, which add up unless a subclass merges them otherwise."""

    layer: str
    """Whose channels are the units; the resolved name."""
    shape: tuple[int, ...]
    """The layer's value for one image: (h, w, c) or (c,)."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer it reads."""
        return (self.layer,)

    def read(self, batch: Batch) -> Any:
        """Return what is gathered from, (b, h, w, c) or (b, c): the layer's values where a subclass says no other."""
        return batch.values[self.layer]

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return every array of the totals summed."""
        return added(totals)


def _wide(leaf: np.ndarray) -> np.ndarray:
    return leaf.astype(np.int64) if leaf.dtype.kind in "iu" else np.array(leaf)


def added(totals: Sequence[Total]) -> Total:
    """Return every array of the totals summed: the `merge` of reducers that count."""
    if len(totals) == 1:
        return dict(totals[0])
    return {name: np.sum([total[name] for total in totals], 0) for name in totals[0]}


def by_position(value: Any) -> Any:
    """Return a layer's values as (b, positions, c) float32; a layer without a map has one position."""
    return jax.numpy.reshape(value, (value.shape[0], -1, value.shape[-1])).astype(jax.numpy.float32)


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
    run = _first(_from_rank(most) == highest[:, None])
    held = jax.numpy.take_along_axis(x.reshape(len(x), runs, -1, x.shape[-1]), run[:, None, None], 1)[:, 0]
    return run * held.shape[1] + _first(held == highest[:, None])


_OUTERMOST = (_INFINITY, ~_INFINITY, 0)
"""Ranks of lowest and highest, and the size, that everything finite replaces."""


def _extremes_of_runs(x: Float[Array, "b n c"]) -> tuple[Int[Array, "b runs c"], ...]:
    """Return ranks of the lowest and highest finite value, and the largest size, of each run of positions.

    A rank is a float's bits as an integer that rises with it: integers have no NaN to watch, so that the CPU compares
    many at once; -0.0 lies just below 0.0. One maximum alone, of floats or integers, XLA reduces without vectors.
    """
    bits = jax.lax.bitcast_convert_type(x, jax.numpy.int32)
    size = bits & 0x7FFFFFFF
    finite = size < _INFINITY
    # Bits of positive floats rise with the value, those of negative ones fall, as a float is a sign and a size: turning
    # the 31 lower bits of the latter round makes all rise. -1.0 is 0xBF800000 and -2.0 0xC0000000; turned they are
    # 0xC07FFFFF and 0xBFFFFFFF, as integers -1065353217 and -1073741825. Turned once more they are what they were.
    rank = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    values = (jax.numpy.where(finite, rank, _INFINITY), jax.numpy.where(finite, rank, ~_INFINITY), size)
    length = _rows(x.shape[1])
    return jax.lax.reduce(
        tuple(value.reshape(len(x), -1, length, x.shape[-1]) for value in values),
        tuple(jax.numpy.int32(first) for first in _OUTERMOST),
        _farther,
        (2,),
    )


def _farther(a: Any, b: Any) -> Any:
    return jax.numpy.minimum(a[0], b[0]), jax.numpy.maximum(a[1], b[1]), jax.numpy.maximum(a[2], b[2])


def _from_rank(rank: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    value: Array = jax.lax.bitcast_convert_type(rank ^ ((rank >> 31) & 0x7FFFFFFF), jax.numpy.float32)
    return value


def over_positions(
    values: Sequence[Shaped[Array, "b n c"]], initial: Sequence[float], join: Callable[[Any, Any], Any]
) -> tuple[Shaped[Array, "b c"], ...]:
    """Return several arrays, each reduced over positions, in one pass; `join` takes and returns a tuple of them.

    Positions are taken as a table whose rows are joined, what is left of them as a smaller one, and so on: a row of
    many positions and channels is long enough for the CPU's vectors, which a row of channels is not. With more than
    some eighteen rows XLA writes a loop over them that uses no vectors, ten times as slow.
    """
    start = tuple(jax.numpy.asarray(first, value.dtype) for first, value in zip(initial, values, strict=True))
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


def _first(holds: Bool[Array, "b m c"]) -> Int[Array, "b c"]:
    """Return the first place that holds, the last where none does."""
    places = jax.numpy.arange(holds.shape[1], dtype=jax.numpy.int32)[None, :, None]
    return jax.numpy.where(holds, places, jax.numpy.int32(holds.shape[1] - 1)).min(1)


def position_sums(x: Float[Array, "b n c"]) -> tuple[Float[Array, "b c"], Float[Array, "b c"]]:
    """Return sum and sum of squares over positions, in an order of additions that no other image of the batch changes.

    XLA splits one sum alone among threads by the batch's size, so that its last bits would depend on that; two that
    are joined in one loop, it does not. The barrier keeps the second where nobody reads it.
    """
    joined = over_positions((x, x * x), (0, 0), lambda a, b: (a[0] + b[0], a[1] + b[1]))
    first, second = jax.lax.optimization_barrier(joined)
    return first, second


def positions(shape: Sequence[int]) -> int:
    """Return how many positions a layer of one image's shape (h, w, c) or (c,) has."""
    return int(np.prod(shape[:-1]))


def label_rows(labels: Int[Array, " b"], classes: int) -> Int[Array, " b"]:
    """Return the row of each label in a table of `classes` + 1 rows; what is no class goes to the last."""
    # Checked: a scatter drops an index past the end without a word, and counts a negative one from the end.
    known = (labels >= 0) & (labels < classes)
    return jax.numpy.where(known, labels, classes)
