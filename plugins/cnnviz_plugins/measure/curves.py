"""Deletion and insertion: the score as pixels go or come, in the order of the map (Petsiuk et al. 2018)."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, Model, fill_of
from cnnviz_plugins.measure.plugin import DeletionConfig, InsertionConfig


@dataclass(frozen=True, kw_only=True)
class Deletion(MetricFold):
    """Area under the score as the strongest pixels are deleted; a faithful map makes it fall at once.

    `curve` is the score at each share of deleted pixels, the untouched image first. The area is that of
    straight lines between the points over shares from 0 to 1, so that its unit is the score's. A share is a whole
    number of pixels over all: `at` has the true ones, which differ where the steps do not divide the pixels.

    Cost: `steps` + 1 forward passes per image.
    Source: Petsiuk, Das, Saenko 2018, section 3.4.
    """

    config: DeletionConfig
    better: Better = "lower"
    axis: str = "share of the pixels deleted"

    @classmethod
    def build(cls, config: DeletionConfig, model: Model) -> "Deletion":
        """Return the fold for `model`."""
        pixels = model.input_shape[0] * model.input_shape[1]
        counts = np.round(np.arange(config.steps + 1) / config.steps * pixels)
        return cls(config=config, at=tuple(float(share) for share in counts / pixels))

    @property
    def evaluations(self) -> int:
        """One per point of the curve."""
        return self.config.steps + 1

    def prepare(self, case: Case) -> Any:
        """Return the order of the pixels, and the image with nothing left."""
        return places(case.target.heat), fill_of(case.image, self.config.fill, case.model)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score at one point of the curve."""
        place, nothing = case.context
        counts = np.round(np.asarray(self.at) * place.size).astype(np.int32)
        is_taken = (place < jnp.asarray(counts)[case.index])[..., None]
        changed = self._image(is_taken, case.image, nothing)
        return case.model.score(changed, case.target.inner.scored_as(self.config.score))[0]

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the area and the curve."""
        widths = jnp.asarray(np.diff(self.at), gathered.dtype)
        area = ((gathered[1:] + gathered[:-1]) / 2 * widths).sum()
        return Measured(values=area, curve=gathered)

    def _image(self, is_taken: Array, image: Array, nothing: Array) -> Array:
        return jnp.where(is_taken, nothing, image)


@dataclass(frozen=True, kw_only=True)
class Insertion(Deletion):
    """Area under the score as the strongest pixels are inserted; a faithful map makes it rise at once.

    Cost: `steps` + 1 forward passes per image.
    Source: Petsiuk, Das, Saenko 2018, section 3.4; the blurred start is theirs.
    """

    config: InsertionConfig
    better: Better = "higher"
    axis: str = "share of the pixels inserted"

    def _image(self, is_taken: Array, image: Array, nothing: Array) -> Array:
        return jnp.where(is_taken, image, nothing)


def places(heat: Float[Array, "h w"]) -> Int[Array, "h w"]:
    """Return the place of each pixel, 0 for the strongest; equal ones in reading order."""
    order = jnp.argsort(-heat.reshape(-1), stable=True)
    count = jnp.arange(heat.size, dtype=jnp.int32)
    return jnp.zeros(heat.size, jnp.int32).at[order].set(count).reshape(heat.shape)
