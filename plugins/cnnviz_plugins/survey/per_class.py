"""Per unit: in how many images it fires, its mean for each class and how selective that is; what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import (
    LIMBS,
    Batch,
    Dataset,
    Delta,
    LayerReducer,
    Provenance,
    Total,
    by_position,
    exact_limbs,
    exact_means,
    extremes,
    unread_note,
)


@dataclass(frozen=True, kw_only=True)
class ClassMeans(LayerReducer):
    """Per class and unit, the mean over images of the unit's largest positive value; sums are exact.

    Needs the field `label`; images without a known label, or not finite for a unit, are left out.

    Result of `finish`: `mean` (classes, c) float64, 0 where a class has no image, and `count` (classes, c).
    """

    exact = ("sum",)
    classes: int
    """Labels run from 0 to classes - 1."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def init(self) -> Delta:
        """Return zero sums."""
        table = (self.classes, self.shape[-1])
        return {"sum": jnp.zeros((*table, LIMBS), jnp.int32), "count": jnp.zeros(table, jnp.int32)}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the sums with the batch's added."""
        x = by_position(batch.values[self.layer])
        _, highest, finite = extremes(x)
        labels = batch.fields["label"]
        known = batch.valid & (labels >= 0) & (labels < self.classes)
        usable = finite & known[:, None]
        strongest = jnp.where(usable, jnp.maximum(highest, 0), jnp.zeros((), jnp.float32))
        rows = jnp.where(known, labels, 0)
        return {
            "sum": delta["sum"].at[rows].add(exact_limbs(strongest)),
            "count": delta["count"].at[rows].add(usable.astype(jnp.int32)),
        }

    def finish(self, total: Total) -> Total:
        """Return the means, each rounded once."""
        return {"mean": exact_means(total["sum"], total["count"]), "count": total["count"]}


def selectivity(mean: Float[np.ndarray, "classes c"]) -> Float[np.ndarray, " c"]:
    """Return (best - rest) / (best + rest) per unit: 0 answers to all classes alike, 1 to one class only.

    `best` is the largest class mean and `rest` the mean of the others; a silent unit, or one class, gives 0.

    Source: Morcos et al. 2018, section 2.3, here on each image's largest positive value.
    """
    if len(mean) < 2:
        return np.zeros(mean.shape[1])
    best = mean.max(0)
    rest = (mean.sum(0) - best) / (len(mean) - 1)
    both = best + rest
    return np.where(both > 0, (best - rest) / np.where(both > 0, both, 1), 0.0)


def by_class(found: Mapping[str, Total], dataset: Dataset) -> dict[str, Any]:
    """Return the fields of a result that speak of classes, empty where images have no labels."""
    if "classes" not in found:
        return {"class_names": (), "class_means": None, "selectivity": None}
    means = found["classes"]["mean"]
    own = dataset.class_names[: len(means)]
    names = (*own, *(f"class {i}" for i in range(len(own), len(means))))
    return {"class_names": names, "class_means": means, "selectivity": selectivity(means)}


@dataclass(frozen=True, kw_only=True)
class ImagesFired(LayerReducer):
    """Per unit (channel) of one layer, images in which it exceeds a threshold anywhere.

    An image with a value that is not finite in a unit's map is left out for that unit and counted.

    Result of `finish`: `fired` (c,), `images` (1,), `nonfinite` (c,).
    """

    threshold: float = 0.0
    """A unit fires above this."""

    def init(self) -> Delta:
        """Return zero counts."""
        counts = jnp.zeros((self.shape[-1],), jnp.int32)
        return {"fired": counts, "images": jnp.zeros((1,), jnp.int32), "nonfinite": counts}

    def update(self, delta: Delta, batch: Batch) -> Delta:
        """Return the counts with the batch's added."""
        x = by_position(batch.values[self.layer])
        _, highest, finite = extremes(x)
        valid = batch.valid[:, None]
        fired = (highest > self.threshold) & finite & valid
        return {
            "fired": delta["fired"] + fired.sum(0, dtype=jnp.int32),
            "images": delta["images"] + batch.valid.sum(dtype=jnp.int32)[None],
            "nonfinite": delta["nonfinite"] + (valid & ~finite).sum(0, dtype=jnp.int32),
        }


def unread(provenance: Provenance) -> tuple[str, ...]:
    """Return what is to be said of images that could not be read: nothing where all could."""
    return unread_note(dict(provenance.notes)["unreadable"])
