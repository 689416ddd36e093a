"""Regions of the image removed one after the other in the order of the map: region perturbation, selectivity, IROF."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, Model, UsageError, fill_of, require
from cnnviz_plugins.measure.curves import places
from cnnviz_plugins.measure.faithfulness.curves import area_of, by_convention
from cnnviz_plugins.measure.faithfulness.units import contributions
from cnnviz_plugins.measure.options.faithfulness import IrofConfig, RegionPerturbationConfig, SelectivityConfig

_LEAST_SCORE = 1e-6
"""A score nearer to 0 has no shares."""


class Prepared(NamedTuple):
    """What all evaluations of an image share."""

    place: Int[Array, "h w"]
    """The place of each pixel's region, 0 for the one that goes first."""
    nothing: Float[Array, "h w c"]
    """The image with nothing left."""
    regions: Int[Array, ""]
    """How many regions the image has."""


@dataclass(frozen=True, kw_only=True)
class InRegions(MetricFold):
    """Regions removed one after the other: evaluation i has the first i of them gone."""

    steps: int = 1
    """Regions that are removed."""
    axis: str = "share of the regions removed"

    @property
    def evaluations(self) -> int:
        """The untouched image, and one for each region."""
        return self.steps + 1

    def regions(self, image: Float[Array, "h w c"]) -> tuple[Int[Array, "h w"], int]:
        """Return the region of each pixel, from 0, and how many there are at most."""
        raise TypeError(f"{type(self).__name__} defines no regions")

    def relevance(self, sums: Float[Array, " r"], sizes: Float[Array, " r"], key: Any) -> Float[Array, " r"]:
        """Return the numbers by which regions are ordered, the largest first."""
        return sums

    def prepare(self, case: Case) -> Prepared:
        """Return the order of the regions, and the image with nothing left."""
        region, most = self.regions(case.image)
        flat, values = region.reshape(-1), contributions(case, "pixel").reshape(-1)
        sums, sizes = (jax.ops.segment_sum(each, flat, most) for each in (values, jnp.ones_like(values)))
        # Regions of no pixel go last, whatever their number would be.
        order = jnp.where(sizes > 0, self.relevance(sums, sizes, case.key), -jnp.inf)
        nothing = fill_of(case.image, self.config.fill, case.model)
        return Prepared(places(order[None])[0][region], nothing, (sizes > 0).sum(dtype=jnp.int32))

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without the first regions."""
        is_gone = (case.context.place < case.index)[..., None]
        changed = jnp.where(is_gone, case.context.nothing, case.image)
        return case.model.score(changed, case.target.inner.scored_as(self.config.score))[0]


@dataclass(frozen=True, kw_only=True)
class _InPatches(InRegions):
    """Square patches, those at the right and lower border smaller where the side does not divide."""

    @classmethod
    def build(cls, config: Any, model: Model) -> "_InPatches":
        """Return the fold for images of `model`."""
        height, width, _ = model.input_shape
        count = -(-height // config.patch_px) * -(-width // config.patch_px)
        steps = min(count, getattr(config, "regions", count))
        at = tuple(step / count for step in range(steps + 1))
        return cls(config=config, steps=steps, at=at, notes=(("regions", count),))

    def regions(self, image: Float[Array, "h w c"]) -> tuple[Int[Array, "h w"], int]:
        """Return the patch of each pixel, and how many there are."""
        rows, cols = (np.arange(size) // self.config.patch_px for size in image.shape[:2])
        return jnp.asarray(rows[:, None] * (cols[-1] + 1) + cols, jnp.int32), int((rows[-1] + 1) * (cols[-1] + 1))


@dataclass(frozen=True, kw_only=True)
class RegionPerturbation(_InPatches):
    """How far the score has fallen, the mean over the steps: the area over the perturbation curve, AOPC.

    Patches are ordered by the signed sum of the map over them. `curve` is the fall after each, 0 for the untouched
    image first; Quantus' curve lacks that point.

    Randomness: the order `random` of an image uses its key.
    Cost: one forward pass per region removed, and one.
    Source: Samek, Binder, Montavon, Bach, Müller 2015, equation 12, which divides by one more than the regions.
    """

    config: RegionPerturbationConfig

    @classmethod
    def build(cls, config: Any, model: Model) -> "_InPatches":
        """Return the fold for images of `model`."""
        return replace(super().build(config, model), better="lower" if config.order == "lerf" else "higher")

    def relevance(self, sums: Float[Array, " r"], sizes: Float[Array, " r"], key: Any) -> Float[Array, " r"]:
        """Return the sums, their opposite, or random numbers."""
        if self.config.order == "random":
            return jax.random.uniform(key, sums.shape, sums.dtype)
        return -sums if self.config.order == "lerf" else sums

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the mean fall and the curve."""
        falls = gathered[0] - gathered
        return Measured(values=falls.mean(), curve=falls)


@dataclass(frozen=True, kw_only=True)
class Selectivity(_InPatches):
    """Area under the score as patches are removed, the most relevant first, over the share that is removed.

    Patches are ordered by the signed sum of the map over them. `curve` is the score after each, the untouched image
    first.

    Cost: one forward pass per patch, and one.
    Source: Montavon, Samek, Müller 2018, section 5.
    """

    config: SelectivityConfig
    better: Better = "lower"

    @classmethod
    def build(cls, config: Any, model: Model) -> "_InPatches":
        """Return the fold for images of `model`."""
        return by_convention(super().build(config, model))

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the area and the curve."""
        return area_of(self, gathered)


@dataclass(frozen=True, kw_only=True)
class Irof(InRegions):
    """Area over the share of the score that is left as segments go, the most relevant first, over their number.

    Segments are ordered by the mean of the map over them. `curve` is 1 less the share that is left, 0 for the untouched
    image first; where superpixels are fewer than planned its last points are equal. From 0 to 1 where the score falls.

    Cost: one forward pass per segment, and one; superpixels are made on the host.
    Source: Rieger, Hansen 2020, section 3.
    """

    config: IrofConfig
    better: Better = "higher"
    undefined: str = "its score is within 1e-6 of 0, which has no shares"

    @classmethod
    def build(cls, config: IrofConfig, model: Model) -> "Irof":
        """Return the fold for images of `model`.

        Raises:
            UsageError: Superpixels are asked for and scikit-image is not installed.
        """
        word, number = config.kind
        if word == "slic":
            require("skimage", extra="segments", what=f"segments={config.segments!r}, unlike segments='grid(8)',")
            steps = 2 * number  # SLIC drops segments smaller than half the mean, so these are the most there can be
        else:
            steps = min(number, model.input_shape[0]) * min(number, model.input_shape[1])
        first = 1 if config.convention == "quantus" else 0
        at = tuple(float(step) for step in range(first, steps + 1))
        return cls(config=config, steps=steps, at=at, axis="segments removed")

    def regions(self, image: Float[Array, "h w c"]) -> tuple[Int[Array, "h w"], int]:
        """Return the segment of each pixel, and how many there are at most."""
        word, number = self.config.kind
        if word == "slic":
            shape = jax.ShapeDtypeStruct(image.shape[:2], jnp.int32)
            found = jax.pure_callback(_superpixels, shape, image, number, vmap_method="sequential")
            return jnp.asarray(found, jnp.int32), self.steps
        sides = [min(number, size) for size in image.shape[:2]]
        rows, cols = (np.arange(size) * parts // size for size, parts in zip(image.shape, sides, strict=False))
        return jnp.asarray(rows[:, None] * sides[1] + cols, jnp.int32), sides[0] * sides[1]

    def relevance(self, sums: Float[Array, " r"], sizes: Float[Array, " r"], key: Any) -> Float[Array, " r"]:
        """Return the means."""
        return sums / jnp.maximum(sizes, 1.0)

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the area over the curve."""
        first = gathered[0]
        has_shares = jnp.abs(first) > _LEAST_SCORE
        lost = 1 - gathered / jnp.where(has_shares, first, 1.0)
        lost = lost[1:] if self.config.convention == "quantus" else lost
        count = case.context.regions
        between = jnp.arange(lost.size - 1) < count - (self.steps + 1 - lost.size)
        area = jnp.where(between, (lost[1:] + lost[:-1]) / 2, 0.0).sum()
        if self.config.convention == "quantus":
            # Theirs is the count less the area under the shares of which the first is missing.
            area = area + 1
        else:
            area = area / jnp.maximum(count, 1).astype(area.dtype)
        return Measured(values=jnp.where(has_shares, area, jnp.nan), curve=lost, extras={"segments": count})


def _superpixels(image: Any, number: Any) -> Int[np.ndarray, "h w"]:
    from skimage import segmentation

    image = np.asarray(image, np.float64)
    found = segmentation.slic(
        image,
        n_segments=int(number),
        compactness=10.0,
        convert2lab=image.shape[-1] == 3,
        start_label=0,
        channel_axis=-1,
    )
    _, numbers = np.unique(found, return_inverse=True)
    if numbers.max() >= 2 * number:
        raise UsageError(f"SLIC made {numbers.max() + 1} segments where {number} were asked for; ask for fewer")
    return numbers.reshape(found.shape).astype(np.int32)
