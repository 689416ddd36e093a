"""Levels below the maximum: images on which a unit reaches the 90, 75 or 50 per cent level of its own maxima.

The strongest images alone mislead: a unit that fires for two things, one of them a little more, shows that one only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cnnviz_jax.plugin import (
    Batch,
    Delta,
    LayerReducer,
    Total,
    UsageError,
    by_position,
    check_at_least,
    extremes,
    first_place,
)
from cnnviz_plugins.survey.sample import lowest, mixed, slots_of, taken_slots

_NO_ID = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class MaximumSample(LayerReducer):
    """Per unit its largest value, and where, on a sample of images: those of lowest rank, as in `PositionSample`.

    An image with a value that is not finite in a unit's map has -inf there.

    Result of `finish`: `value` and `pos` (images, c), `id` (images,), in order of number.
    """

    image_count: int = 512
    """Images kept."""

    def init(self) -> Delta:
        """Return empty slots."""
        shape = (self.image_count, self.shape[-1])
        return {
            "rank": jnp.full((self.image_count,), _NO_ID, jnp.uint32),
            "id": jnp.full((self.image_count,), _NO_ID, jnp.uint32),
            "value": jnp.zeros(shape, jnp.float32),
            "pos": jnp.zeros(shape, jnp.int32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the slots with the lowest ranks of both."""
        x = by_position(batch.values[self.layer])
        _, highest, finite = extremes(x)
        new, slot = slots_of(delta, mixed(batch.ids), batch.ids, batch.valid)
        value = jnp.where(finite, highest, -jnp.inf)
        value = jnp.where(value == 0, jnp.zeros_like(value), value)  # no -0.0
        return {
            "rank": delta["rank"].at[slot].set(new[0], mode="drop"),
            "id": delta["id"].at[slot].set(new[1], mode="drop"),
            "value": delta["value"].at[slot].set(value, mode="drop"),
            "pos": delta["pos"].at[slot].set(jnp.where(finite, first_place(x, highest), 0), mode="drop"),
        }

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the slots with the lowest ranks of all."""
        return lowest(totals, self.image_count)

    def finish(self, total: Total) -> Total:
        """Return the rows of images that are there, in order of number."""
        order = taken_slots(total)
        return {name: total[name][order] for name in ("value", "pos", "id")}


def check_levels(levels: Sequence[float], level_k: int, sample: int) -> None:
    """Raise `UsageError` unless levels lie between 0 and 1 and there is an image for each."""
    if any(not 0 < level < 1 for level in levels):
        raise UsageError(f"levels lie between 0 and 1, such as 0.9, got {', '.join(f'{each:g}' for each in levels)}")
    check_at_least(1, level_k=level_k)
    check_at_least(2, sample=sample)


def at_levels(
    sample: Mapping[str, np.ndarray], levels: Sequence[float], k: int
) -> dict[str, Float[np.ndarray, "..."] | Int[np.ndarray, "..."]]:
    """Return, per unit and level, the quantile of its maxima and the k images nearest to it.

    Args:
        sample: What `MaximumSample` finished with.
        levels: Shares, such as 0.9: the value that nine of ten images stay below.
        k: Images per level; nearest first, of two that are equally near the earlier.

    Returns:
        `quantile` (c, levels), linear between images; `value`, `id` and `pos` (c, levels, k), -inf, -1 and -1 where
        there are fewer than k. A unit that has seen nothing finite has the quantile 0.
    """
    value, ids, pos = sample["value"].astype(np.float64), sample["id"].astype(np.int64), sample["pos"]
    units, kept = value.shape[1], min(k, len(value))
    finite = np.isfinite(value)
    quantile = np.zeros((units, len(levels)))
    found: dict[str, Any] = {
        "value": np.full((units, len(levels), k), -np.inf, np.float32),
        "id": np.full((units, len(levels), k), -1, np.int64),
        "pos": np.full((units, len(levels), k), -1, np.int64),
    }
    if not kept:
        return {"quantile": quantile, **found}
    seen, whole = finite.any(0), finite.all(0)
    # NumPy takes the columns one after the other where it has to look for NaN.
    quantile[whole] = np.quantile(value[:, whole], list(levels), axis=0).T
    rest = seen & ~whole
    if rest.any():
        usable = np.where(finite, value, np.nan)
        quantile[rest] = np.nanquantile(usable[:, rest], list(levels), axis=0).T
    for column in range(len(levels)):
        distance = np.where(finite, np.abs(value - quantile[:, column]), np.inf).T
        order = _nearest(np.ascontiguousarray(distance), kept)
        there = np.take_along_axis(finite.T, order, 1)
        found["value"][:, column, :kept] = np.where(there, np.take_along_axis(sample["value"].T, order, 1), -np.inf)
        found["id"][:, column, :kept] = np.where(there, ids[order], -1)
        found["pos"][:, column, :kept] = np.where(there, np.take_along_axis(pos.T, order, 1), -1)
    return {"quantile": quantile, **found}


def _nearest(distance: Float[np.ndarray, "c n"], count: int) -> Int[np.ndarray, "c count"]:
    """Return the places of the smallest numbers of each row, rising; of equal ones the earlier."""
    # A stable sort of whole rows takes three times as long: only what is no larger than the last wanted is sorted.
    bound = np.partition(distance, count - 1, axis=1)[:, count - 1, None]
    row, place = np.nonzero(distance <= bound)
    order = np.lexsort((distance[row, place], row))
    first = np.searchsorted(row, np.arange(len(distance)))
    found: Int[np.ndarray, "c count"] = place[order][first[:, None] + np.arange(count)]
    return found
