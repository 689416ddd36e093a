"""Which images show each concept most, by the pixels of its mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from cnnviz_jax.plugin import Batch, Delta, TopK, Total


@dataclass(frozen=True, kw_only=True)
class ConceptsShown(TopK):
    """Per concept, the k images that show it in most pixels, and in how many images it is.

    `shape` is (h, w, concepts) of the masks, or that of others with their own axes; no layer is read. Result of
    `finish`: that of `TopK`, whose `value` is a number of pixels, and `images` (concepts,).
    """

    layer: str = ""
    by: Any = "sum"
    masks: str = "concepts"
    """The field with the masks (concepts, h, w), or with other axes."""

    @property
    def layers(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The masks."""
        return (self.masks,)

    def read(self, batch: Batch) -> Any:
        """Return the masks with concepts last, of 0 and 1."""
        return jnp.moveaxis(batch.fields[self.masks].astype(bool), 1, -1).astype(jnp.float32)

    def init(self) -> Delta:
        """Return empty slots and zero counts."""
        return {**super().init(), "images": jnp.zeros(self.shape[-1:], jnp.int32)}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the best of the slots and the batch, and the counts with the batch's added."""
        shown = batch.fields[self.masks].astype(bool).reshape(len(batch.valid), self.shape[-1], -1).any(-1)
        shown &= batch.valid[:, None]
        return {**super().update(delta, batch), "images": delta["images"] + shown.sum(0, dtype=jnp.int32)}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the best of all slots and the sums of the counts."""
        return {**super().merge(totals), "images": np.sum([total["images"] for total in totals], 0)}

    def finish(self, total: Total) -> Total:
        """Return the entries, -1 where fewer than k images show the concept."""
        found = {**super().finish(total), "images": total["images"]}
        is_none = found["value"] <= 0
        return {**found, "id": np.where(is_none, -1, found["id"]), "value": np.where(is_none, 0, found["value"])}
