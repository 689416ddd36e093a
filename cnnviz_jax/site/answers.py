"""What a classifier answers for every image, and its label, gathered in the one pass over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from cnnviz_jax.engine.reducers import Batch, Reducer, Total
from cnnviz_jax.engine.reducers.reducer import Delta


@dataclass(frozen=True, kw_only=True)
class Answers(Reducer):
    """The k best classes of every image with their scores and probabilities, best first.

    Result of `finish`: `classes`, `scores` and `probabilities` (images, k); -1, 0 and 0 where an image was not read.
    """

    count: int
    """Images in the data set."""
    k: int

    @property
    def needs_outputs(self) -> bool:
        """It reads the logits."""
        return True

    def init(self) -> Delta:
        """Return no answers."""
        shape = (self.count, self.k)
        return {
            "classes": jnp.full(shape, -1, jnp.int32),
            "scores": jnp.zeros(shape, jnp.float32),
            "probabilities": jnp.zeros(shape, jnp.float32),
        }

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the answers with the batch's put in."""
        scores, classes = jax.lax.top_k(batch.outputs, self.k)
        best = jnp.exp(scores - jax.nn.logsumexp(batch.outputs, -1, keepdims=True))
        rows = jnp.where(batch.valid, batch.ids.astype(jnp.int32), jnp.int32(self.count))
        new = {"classes": classes.astype(jnp.int32), "scores": scores, "probabilities": best}
        return {name: leaf.at[rows].set(new[name], mode="drop") for name, leaf in delta.items()}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the answers of all: an image is in one of them."""
        found = {name: leaf.copy() for name, leaf in totals[0].items()}
        for total in totals[1:]:
            there = total["classes"][:, 0] >= 0
            for name, leaf in found.items():
                leaf[there] = total[name][there]
        return found


@dataclass(frozen=True, kw_only=True)
class Labels(Reducer):
    """The label of every image, read with its pixels: asking for it alone would read the image again.

    Result of `finish`: `label` (images,), -1 where unknown or not read.
    """

    count: int
    """Images in the data set."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def init(self) -> Delta:
        """Return no labels."""
        return {"label": jnp.full((self.count,), -1, jnp.int32)}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the labels with the batch's put in."""
        rows = jnp.where(batch.valid, batch.ids.astype(jnp.int32), jnp.int32(self.count))
        return {"label": delta["label"].at[rows].set(batch.fields["label"], mode="drop")}

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the labels of all: an image is in one of them."""
        return {"label": np.max([total["label"] for total in totals], 0)}
