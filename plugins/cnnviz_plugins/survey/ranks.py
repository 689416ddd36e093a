"""Exact quantiles of each unit's values in two passes: first the upper half of a float's bits, then the lower."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import Batch, Delta, LayerReducer, Total, by_position, positions

_HALF = 1 << 16


@dataclass(frozen=True, kw_only=True)
class RankCounts(LayerReducer):
    """Per unit (channel) of one layer, how often each 16 bits of a value's rank occur.

    The rank of a float32 is a whole number that rises with it. Without `upper` its upper 16 bits are counted; with
    `upper`, one number per unit, the lower 16 bits of the values that begin with it. Values that are not finite are
    left out. Counts are exact and add in any order.

    Result of `finish`: `count` (c, 65536). Memory: 256 KiB a unit on each device.
    """

    upper: tuple[int, ...] | None = None
    """Upper 16 bits of the ranks that are counted, one per unit."""

    @property
    def capacity(self) -> int:
        """As many images as keep a count below 2**31."""
        return (2**31 - 1) // positions(self.shape)

    def init(self) -> Delta:
        """Return zero counts, one row after the other, and one place for what is left out."""
        return {"table": jnp.zeros((self.shape[-1] * _HALF + 1,), jnp.int32)}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added."""
        x = by_position(batch.values[self.layer])
        bits = jax.lax.bitcast_convert_type(jnp.where(x == 0, jnp.zeros_like(x), x), jnp.int32)
        rank = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        upper, lower = (rank >> 16) + _HALF // 2, rank & (_HALF - 1)
        counted = jnp.isfinite(x) & batch.valid[:, None, None]
        half = upper
        if self.upper is not None:
            counted &= upper == jnp.asarray(self.upper, jnp.int32)
            half = lower
        place = jnp.where(counted, half + _HALF * jnp.arange(x.shape[-1], dtype=jnp.int32), len(delta["table"]) - 1)
        return {"table": delta["table"].at[place.reshape(-1)].add(1, mode="promise_in_bounds")}

    def lift(self, delta: Mapping[str, Any]) -> Total:
        """Return the counts per unit."""
        return {"count": super().lift(delta)["table"][:-1].reshape(-1, _HALF)}


def above(share: float, count: Int[np.ndarray, "c half"]) -> Int[np.ndarray, " c"]:
    """Return how many values of each unit may lie above a threshold that at most that share of them exceeds."""
    return np.floor(share * count.sum(1) + 1e-9).astype(np.int64)


def place_of(
    allowed: Int[np.ndarray, " c"], count: Int[np.ndarray, "c half"]
) -> tuple[Int[np.ndarray, " c"], Int[np.ndarray, " c"]]:
    """Return the place that holds the value after the `allowed` largest, and how many of those lie in places above."""
    falling = np.cumsum(count[:, ::-1], 1)
    from_end = (falling > allowed[:, None]).argmax(1)
    rows = np.arange(len(count))
    beyond = falling[rows, from_end] - count[rows, count.shape[1] - 1 - from_end]
    return count.shape[1] - 1 - from_end, beyond


def thresholds(
    share: float, upper: Int[np.ndarray, "c half"], lower: Int[np.ndarray, "c half"]
) -> Float[np.ndarray, " c"]:
    """Return the smallest value of each unit that at most that share of its values exceeds; inf where none was seen."""
    allowed = above(share, upper)
    high, beyond = place_of(allowed, upper)
    low, _ = place_of(allowed - beyond, lower)
    rank = ((high - _HALF // 2) * _HALF + low).astype(np.int32)
    values = (rank ^ ((rank >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32)
    return np.where(upper.sum(1) > 0, values, np.float32(np.inf))
