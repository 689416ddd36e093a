"""In how many images each unit fires, and how many could not be read."""

from dataclasses import dataclass

import jax.numpy as jnp

from cnnviz_jax.plugin import Batch, Delta, LayerReducer, Provenance, by_position, extremes


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
    reasons = dict(provenance.notes)["unreadable"]
    return (f"{len(reasons)} images could not be read, such as {reasons[0]}",) if reasons else ()
