"""Shares of a map on the object, as the field names them, and how well the map tells object from background."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, Case, EvaluatedMap, Measured, MetricFold, Model, ModelError, UsageError
from cnnviz_plugins.measure.curves import places
from cnnviz_plugins.measure.options.localization import (
    AttributionLocalisationConfig,
    RelevanceMassAccuracyConfig,
    TopKIntersectionConfig,
)


@dataclass(frozen=True, kw_only=True)
class Localized(MetricFold):
    """A number that a map and its object's mask make; NaN where the mask is empty.

    `extras` has `object_share`, that of the image, which is what chance scores in most of them.

    Cost: none in evaluations.
    """

    better: Better = "higher"
    needs_mask: bool = True
    undefined: str = "its mask is empty"

    def evaluate(self, case: Case) -> Measured:
        """Return the agreement of one map with its mask."""
        if case.target.mask is None:
            raise ModelError(f"{type(self).__name__} was run without a mask")
        inside = case.target.mask > 0
        agreement = jnp.where(inside.any(), self.agreement(case.target.heat, inside), jnp.nan)
        return Measured(values=agreement, extras={"object_share": inside.mean(), **self.further(case.target.heat)})

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the number; what it is for an empty mask does not matter."""
        raise TypeError(f"{type(self).__name__} defines no agreement")

    def further(self, heat: Float[Array, "h w"]) -> dict[str, Array]:
        """Return more numbers by name."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TopKIntersection(Localized):
    """The share of the k strongest pixels that lies on the object; equal pixels in reading order.

    Source: Theiner, Müller-Budack, Ewerth 2021, section 4.
    """

    config: TopKIntersectionConfig
    k: int = 1

    @classmethod
    def build(cls, config: TopKIntersectionConfig, model: Model) -> "TopKIntersection":
        """Return the fold for images of `model`.

        Raises:
            UsageError: k is not less than the number of pixels.
        """
        height, width, _ = model.input_shape
        pixels = height * width
        k = min(1000, -(-pixels // 10)) if config.k is None else config.k
        if k >= pixels:
            raise UsageError(f"k is less than the number of pixels, got {k} for images of {height} x {width}")
        return cls(config=config, k=k, notes=(("k", k),))

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the share."""
        share = (inside & (places(heat) < self.k)).sum() / self.k
        return share / jnp.maximum(inside.mean(), 1 / inside.size) if self.config.concept_influence else share


@dataclass(frozen=True, kw_only=True)
class RelevanceRankAccuracy(Localized):
    """The share of the |mask| strongest pixels that lies on the object; equal pixels in reading order.

    Source: Arras, Osman, Samek 2022, section 3.2.
    """

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the share."""
        count = inside.sum()
        return (inside & (places(heat) < count)).sum() / jnp.maximum(count, 1)


@dataclass(frozen=True, kw_only=True)
class RelevanceMassAccuracy(Localized):
    """The share of the map's sum that lies on the object; 0 for a map whose sum is 0.

    Source: Arras, Osman, Samek 2022, section 3.2.
    """

    config: RelevanceMassAccuracyConfig

    def check(self, maps: EvaluatedMap) -> None:
        """Refuse negative values unless it is said what they count."""
        if self.config.part == "refuse" and (np.asarray(maps.heat) < 0).any():
            raise UsageError(
                "relevance-mass-accuracy is a share of the map's sum, which negative values take out of 0 to 1; say "
                "part='positive' or part='abs', or part='signed' to have it all the same"
            )

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the share."""
        part = self.config.part
        heat = jnp.maximum(heat, 0.0) if part == "positive" else jnp.abs(heat) if part == "abs" else heat
        return share_inside(heat, inside)


@dataclass(frozen=True, kw_only=True)
class AttributionLocalisation(Localized):
    """The share of the map's absolute values that lies on the object; 0 for a map of zeros.

    Source: Kohlbrenner, Bauer, Nakajima, Binder, Samek, Lapuschkin 2020, section IV.
    """

    config: AttributionLocalisationConfig

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the share."""
        share = share_inside(jnp.abs(heat), inside)
        return share / jnp.maximum(inside.mean(), 1 / inside.size) if self.config.weighted else share


@dataclass(frozen=True, kw_only=True)
class Auc(Localized):
    """How probably a pixel of the object has a larger value than one beside it; equal values count half.

    Source: Fawcett 2006, section 7: the area is the Mann-Whitney statistic over the number of pairs.
    """

    undefined: str = "its mask is empty or the whole image"

    def agreement(self, heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
        """Return the area."""
        # Counted among the background alone: sums of ranks of a large image would not fit float32's digits.
        background = jnp.sort(jnp.where(inside, jnp.inf, heat).reshape(-1))
        outside = inside.size - inside.sum()
        below, up_to = (jnp.searchsorted(background, heat.reshape(-1), side=side) for side in ("left", "right"))
        wins = (below + jnp.minimum(up_to, outside)) / (2 * jnp.maximum(outside, 1))
        mean = jnp.where(inside.reshape(-1), wins, 0.0).sum() / jnp.maximum(inside.sum(), 1).astype(jnp.float32)
        return jnp.where(outside > 0, mean, jnp.nan)


def share_inside(heat: Float[Array, "h w"], inside: Bool[Array, "h w"]) -> Float[Array, ""]:
    """Return the share of a map's sum that lies inside a mask; 0 where the sum is 0."""
    top = jnp.abs(heat).max()
    heat = heat / jnp.where(top > 0, top, 1.0)  # maps of 1e-30 keep their share
    total = heat.sum()
    return jnp.where(inside, heat, 0.0).sum() / jnp.where(total != 0, total, 1.0)
