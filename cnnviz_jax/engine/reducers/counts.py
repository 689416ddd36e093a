"""Counts of images: how often units fire, by class, and which classes are predicted for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from cnnviz_jax.engine.reducers.reducer import (
    Batch,
    Delta,
    LayerReducer,
    Reducer,
    Total,
    added,
    by_position,
    label_rows,
)


@dataclass(frozen=True, kw_only=True)
class FireCounts(LayerReducer):
    """Per class and unit (channel) of one layer, images in which the unit exceeds a threshold anywhere.

    Needs the field `label`; images without a known label stand in the last row. An image with a value that
    is not finite in a unit's map is left out for that unit and counted.

    Result of `finish`: `fired` (classes + 1, c), `images` (classes + 1,), `nonfinite` (classes + 1, c).
    """

    classes: int
    """Labels run from 0 to classes - 1."""
    threshold: float | tuple[float, ...] = 0.0
    """A unit fires above this; one number, or one per unit."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def init(self) -> Delta:
        """Return zero counts."""
        table = jnp.zeros((self.classes + 1, self.shape[-1]), jnp.int32)
        return {"fired": table, "images": table[:, 0], "nonfinite": table}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added."""
        x = by_position(batch.values[self.layer])
        # NaN > threshold is false: unless it is looked for, a broken image would count as one that does not fire.
        finite = jnp.isfinite(x).all(1)
        fired = (x > jnp.asarray(self.threshold, jnp.float32)).any(1) & finite & batch.valid[:, None]
        rows = label_rows(batch.fields["label"], self.classes)
        broken = ~finite & batch.valid[:, None]
        return {
            "fired": delta["fired"].at[rows].add(fired.astype(jnp.int32)),
            "images": delta["images"].at[rows].add(batch.valid.astype(jnp.int32)),
            "nonfinite": delta["nonfinite"].at[rows].add(broken.astype(jnp.int32)),
        }


@dataclass(frozen=True, kw_only=True)
class Confusion(Reducer):
    """Per label and predicted class, how many images.

    Needs the field `label`; images without a known label stand in the last row. Images whose scores are
    not finite are counted apart. Equal scores predict the lower class.

    Result of `finish`: `count` (classes + 1, classes), `nonfinite` (classes + 1,).
    """

    classes: int
    """Classes of the model."""

    @property
    def needs_outputs(self) -> bool:
        """Always: the logits."""
        return True

    @property
    def fields(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def init(self) -> Delta:
        """Return zero counts."""
        count = jnp.zeros((self.classes + 1, self.classes), jnp.int32)
        return {"count": count, "nonfinite": count[:, 0]}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added."""
        logits = jnp.reshape(batch.outputs, (len(batch.valid), -1, self.classes)).mean(1)
        finite = jnp.isfinite(logits).all(1)
        rows = label_rows(batch.fields["label"], self.classes)
        predicted = logits.argmax(1)  # the first of equal ones, in whatever batch
        return {
            "count": delta["count"].at[rows, predicted].add((batch.valid & finite).astype(jnp.int32)),
            "nonfinite": delta["nonfinite"].at[rows].add((batch.valid & ~finite).astype(jnp.int32)),
        }

    def merge(self, totals: Sequence[Total]) -> Total:
        """Return the counts added."""
        return added(totals)
