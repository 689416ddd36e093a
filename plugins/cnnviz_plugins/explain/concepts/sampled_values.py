"""A layer's values for some images of a data set: those of lowest rank, whatever the order and the batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32

from cnnviz_jax.plugin import Batch, Delta, LayerReducer, Total

_NONE = 2**32 - 1
_ODD = 2_654_435_761  # Knuth's multiplicative hash: a bijection of 32 bits


@dataclass(frozen=True, kw_only=True)
class SampledValues(LayerReducer):
    """The values of `images` images; those whose numbers a fixed bijection of 32 bits puts first.

    Result of `finish`, in order of number: `id` (n,), `label` (n,), -1 where unknown, `predicted` (n,), -1 without
    class scores, and `values` (n, *shape). Images with values that are not finite are left out.
    """

    shape: tuple[int, ...]
    """What is kept of each image."""
    image_count: int
    """How many are kept."""
    pool: Literal["none", "mean"] = "none"
    """`mean`: means over places are kept."""
    wants_class: bool = False
    """Whether the class that the model predicts is kept, too."""
    is_labelled: bool = False
    """Whether images without a label are left out."""

    @property
    def needs_outputs(self) -> bool:
        """Where the predicted class is kept."""
        return self.wants_class

    @property
    def fields(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def init(self) -> Delta:
        """Return empty slots."""
        slots = (self.image_count,)
        return {
            "rank": jnp.full(slots, _NONE, jnp.uint32),
            "id": jnp.full(slots, _NONE, jnp.uint32),
            "label": jnp.full(slots, -1, jnp.int32),
            "predicted": jnp.full(slots, -1, jnp.int32),
            "values": jnp.zeros((*slots, *self.shape), jnp.float32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the slots with the lowest ranks of both."""
        values = batch.values[self.layer].astype(jnp.float32)
        if self.pool == "mean" and values.ndim == 4:
            values = values.mean((1, 2))
        labels = batch.fields["label"]
        usable = batch.valid & jnp.isfinite(values).all(tuple(range(1, values.ndim)))
        usable = usable & ((labels >= 0) | (not self.is_labelled))
        none = jnp.uint32(_NONE)
        new = {
            "rank": jnp.where(usable, _ranks(batch.ids), none),
            "id": jnp.where(usable, batch.ids, none),
            "label": labels,
            "predicted": batch.outputs.argmax(-1).astype(jnp.int32) if self.wants_class else jnp.full_like(labels, -1),
            "values": jnp.where(usable.reshape(-1, *(1,) * (values.ndim - 1)), values, 0.0),
        }
        joined = {name: jnp.concatenate([delta[name], new[name]]) for name in delta}
        order = jnp.lexsort((joined["id"], joined["rank"]))[: self.image_count]
        return {name: leaf[order] for name, leaf in joined.items()}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the slots with the lowest ranks of all."""
        joined = {name: np.concatenate([total[name] for total in totals]) for name in totals[0]}
        order = np.lexsort((joined["id"], joined["rank"]))[: self.image_count]
        return {name: leaf[order] for name, leaf in joined.items()}

    def finish(self, total: Total) -> Total:
        """Return what is there, in order of number."""
        order = np.argsort(total["id"], kind="stable")
        order = order[total["id"][order] != _NONE]
        return {name: total[name][order] for name in ("id", "label", "predicted", "values")}


def _ranks(ids: UInt32[Array, " b"]) -> UInt32[Array, " b"]:
    spread = ids * jnp.uint32(_ODD)
    return spread ^ jax.lax.shift_right_logical(spread, jnp.uint32(16))
