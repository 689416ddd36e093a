"""A fair sample of a data set that does not depend on order, batches or devices: the images of lowest rank."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt32

from cnnviz_jax.plugin import Batch, Delta, LayerReducer, Total, UsageError, by_position, positions

_NO_ID = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class PositionSample(LayerReducer):
    """All units' values at a few positions of a few images, for statistics of pairs of units.

    An image's rank is a hash of its number, without collisions; the images of lowest rank are kept, and of
    each the positions that the hash names, evenly spaced. So the sample is the same however it is gathered.
    An image with a value that is not finite at those positions is left out.

    Result of `finish`: `values` (rows, c), one row per kept position, and `id` (rows,), in order of number.
    """

    image_count: int = 512
    """Images kept."""
    each: int = 8
    """Positions kept of each; all of them where there are fewer."""

    def __post_init__(self) -> None:
        if self.image_count < 2 or self.each < 1:
            raise UsageError(
                f"a sample has 2 or more images and 1 or more positions, got {self.image_count}, {self.each}"
            )

    @property
    def kept(self) -> int:
        """Positions kept of an image."""
        return min(self.each, positions(self.shape))

    def init(self) -> Delta:
        """Return empty slots."""
        return {
            "rank": jnp.full((self.image_count,), _NO_ID, jnp.uint32),
            "id": jnp.full((self.image_count,), _NO_ID, jnp.uint32),
            "values": jnp.zeros((self.image_count, self.kept, self.shape[-1]), jnp.float32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the slots with the lowest ranks of both."""
        x = by_position(batch.values[self.layer])  # b n c
        count = x.shape[1]
        hashed = mixed(batch.ids)
        steps = jnp.arange(self.kept, dtype=jnp.uint32) * jnp.uint32(count // self.kept)
        places = (mixed(hashed)[:, None] % jnp.uint32(count) + steps) % jnp.uint32(count)  # b kept
        taken = jnp.take_along_axis(x, places.astype(jnp.int32)[:, :, None], 1)
        usable = batch.valid & jnp.isfinite(taken).all((1, 2))
        new, slot = slots_of(delta, hashed, batch.ids, usable)
        return {
            "rank": delta["rank"].at[slot].set(new[0], mode="drop"),
            "id": delta["id"].at[slot].set(new[1], mode="drop"),
            "values": delta["values"].at[slot].set(jnp.where(usable[:, None, None], taken, 0), mode="drop"),
        }

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the slots with the lowest ranks of all."""
        return lowest(totals, self.image_count)

    def finish(self, total: Total) -> Total:
        """Return the rows of images that are there, in order of number."""
        order = taken_slots(total)
        values = total["values"][order].reshape(-1, self.shape[-1])
        return {"values": values, "id": np.repeat(total["id"][order], self.kept)}


def slots_of(
    delta: Delta, hashed: UInt32[Array, " b"], ids: UInt32[Array, " b"], usable: Bool[Array, " b"]
) -> tuple[tuple[Array, Array], Int[Array, " b"]]:
    """Return rank and number of a batch's images, and the slot that each takes; one behind the last for none.

    Args:
        delta: Holds `rank` and `id`, one per slot.
        hashed: The images' ranks.
        ids: Their numbers.
        usable: False for those that must not be kept.
    """
    count, places = len(delta["rank"]), jnp.arange(len(ids), dtype=jnp.int32)
    new = (jnp.where(usable, hashed, jnp.uint32(_NO_ID)), jnp.where(usable, ids, jnp.uint32(_NO_ID)))
    ranks, numbers = (jnp.concatenate(both) for both in zip((delta["rank"], delta["id"]), new, strict=True))
    # Rows that stay are not moved: a newcomer takes the slot of one that leaves. The merge puts them in order. What is
    # behind the `count` lowest are slots that leave, and as many of the batch as find no place; of what comes, the
    # first takes the first slot that leaves.
    behind = jnp.sort(jnp.lexsort((numbers, ranks))[count:].astype(jnp.int32))
    comes = (behind[None] != count + places[:, None]).all(1)
    coming = jnp.sort(jnp.where(comes, places, len(ids)))
    return new, jnp.full(ids.shape, count, jnp.int32).at[coming].set(behind, mode="drop")


def lowest(totals: Sequence[Total], count: int) -> Total:
    """Return the `count` slots of lowest rank of several totals that hold `rank`, `id` and more, one row per slot."""
    joined = {name: np.concatenate([total[name] for total in totals]) for name in totals[0]}
    order = np.lexsort((joined["id"], joined["rank"]))[:count]
    return {name: leaf[order] for name, leaf in joined.items()}


def taken_slots(total: Total) -> np.ndarray:
    """Return the slots that hold an image, in order of its number."""
    order = np.argsort(total["id"], kind="stable")
    return order[total["id"][order] != _NO_ID]


def mixed(number: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Return a hash of whole numbers: a bijection of 32 bits, so different numbers never share one.

    Source: the finaliser of MurmurHash3 (Appleby), preceded by an odd constant so that 0 is not fixed.
    """
    x = number + jnp.uint32(0x9E3779B9)
    x = (x ^ jax.lax.shift_right_logical(x, jnp.uint32(16))) * jnp.uint32(0x85EBCA6B)
    x = (x ^ jax.lax.shift_right_logical(x, jnp.uint32(13))) * jnp.uint32(0xC2B2AE35)
    hashed: Array = x ^ jax.lax.shift_right_logical(x, jnp.uint32(16))
    return hashed
