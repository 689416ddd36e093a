"""What a reducer is, and the batch of images that it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from cnnviz_jax.engine.reducers.exact_sum import ADDITIONS, normalised

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
    exact: ClassVar[tuple[str, ...]] = ()
    """Names of what adds `exact_limbs`; their digits are `normalised` in every total."""

    @property
    def capacity(self) -> int:
        """As many images as int32 can count, or int32 digits can add."""
        return ADDITIONS if self.exact else super().capacity

    @property
    def layers(self) -> tuple[str, ...]:
        """The one layer it reads."""
        return (self.layer,)

    def read(self, batch: Batch) -> Any:
        """Return what is gathered from, (b, h, w, c) or (b, c): the layer's values where a subclass says no other."""
        return batch.values[self.layer]

    def lift(self, delta: Mapping[str, Any]) -> Total:
        """Return integers as int64, digits normalised: those of 1,000 classes are gigabytes, and are written once."""
        sums = {name: normalised(np.asarray(delta[name])) for name in self.exact}
        return {**super().lift({name: leaf for name, leaf in delta.items() if name not in sums}), **sums}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return every array of the totals summed, digits normalised."""
        sums = added(totals)
        if len(totals) == 1:
            return sums
        return {**sums, **{name: normalised(sums[name]) for name in self.exact}}


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


def positions(shape: Sequence[int]) -> int:
    """Return how many positions a layer of one image's shape (h, w, c) or (c,) has."""
    return int(np.prod(shape[:-1]))


def label_rows(labels: Int[Array, " b"], classes: int) -> Int[Array, " b"]:
    """Return the row of each label in a table of `classes` + 1 rows; what is no class goes to the last."""
    # Checked: a scatter drops an index past the end without a word, and counts a negative one from the end.
    known = (labels >= 0) & (labels < classes)
    return jax.numpy.where(known, labels, classes)
