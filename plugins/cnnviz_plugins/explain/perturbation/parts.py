"""What techniques over the parts of an image share: segments, what occludes them, and a number per part as a map."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import Case, Fold, Heatmap, Model, View
from cnnviz_plugins.explain.perturbation.fills import occluding_fill, resolved_fill
from cnnviz_plugins.explain.perturbation.part_options import SegmentConfig
from cnnviz_plugins.explain.perturbation.segments import Segments
from cnnviz_plugins.explain.site import SHARES

_IN_VAIN = (
    "every part is one pixel, and its own mean colour is itself: fill='segment-mean' occludes nothing; give another "
    "fill, such as 0.5"
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Parts:
    """One image's parts and what shows where they are occluded."""

    segments: Int[Array, "h w *c"]
    """The part of each pixel, or of each value where channels are apart."""
    occluding_fill: Float[Array, "h w c"]
    there: Bool[Array, " count"]
    """Which parts have pixels."""

    def keeping(self, image: Float[Array, "h w c"], kept: Bool[Array, " count"]) -> Float[Array, "h w c"]:
        """Return the image with the other parts occluded."""
        return jnp.where(self._spread(kept), image, self.occluding_fill)

    def fading(self, image: Float[Array, "h w c"], strength: Float[Array, " count"]) -> Float[Array, "h w c"]:
        """Return the image with each part between what occludes it (0) and itself (1)."""
        return self.occluding_fill + (image - self.occluding_fill) * self._spread(strength)

    def sizes(self) -> Int[Array, " count"]:
        """Return how many pixels or values each part has."""
        return jnp.zeros(self.there.shape, jnp.int32).at[self.segments.reshape(-1)].add(1)

    def _spread(self, per_part: Array) -> Array:
        spread = per_part[self.segments]
        return spread if spread.ndim == 3 else spread[:, :, None]


@dataclass(frozen=True, kw_only=True)
class PartsFold(Fold):
    """A fold whose evaluations occlude parts of the image.

    `values` gives every pixel, or every value where the parts tell channels apart, the number of its part; `low_res`
    is the grid of numbers where the parts are a grid. `extras["per_segment"]` are the numbers, `extras["segments"]` the
    part of each pixel or value.

    Raises (when built):
        UsageError: The mask or the fill does not fit the images, or scikit-image is needed and absent.
    """

    scores_only: ClassVar[bool] = True
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)
    config: SegmentConfig
    segments: Segments

    @classmethod
    def build(cls, config: Any, model: Model) -> Self:
        """Return the fold for `model`, its parts laid out."""
        segments = Segments.of(config.segments, model)
        config = config.resolved()
        config = replace(config, fill=resolved_fill(config.fill, model))
        view: View = "pixels" if segments.are_of_values else "heatmap"
        is_in_vain = config.fill in (None, "segment-mean") and segments.is_of_single_values(model.input_shape)
        warnings = (_IN_VAIN,) if is_in_vain else ()
        notes = (("parts", segments.count), *cls.facts(config), *(SHARES if segments.are_of_values else ()))
        return cls(config=config, segments=segments, view=view, notes=notes, warnings=warnings)

    @classmethod
    def facts(cls, config: Any) -> tuple[tuple[str, Any], ...]:
        """Return what was left to a convention, for the result's notes."""
        return ()

    def parts(self, case: Case) -> Parts:
        """Return the image's parts."""
        segments = self.segments(case.image)
        there = jnp.zeros(self.segments.count, bool).at[segments.reshape(-1)].set(True)
        fill = self.config.fill if self.config.fill is not None else "segment-mean"
        occluded = occluding_fill(fill, case, segments, self.segments.count)
        return Parts(segments, occluded, there)

    def prepare(self, case: Case) -> Any:
        """Return the image's parts."""
        return self.parts(case)

    def shown(self, parts: Parts, per_segment: Float[Array, " count"], **extras: Any) -> Heatmap:
        """Return a number per part as a map."""
        return Heatmap(
            values=per_segment[parts.segments],
            low_res=self.segments.low_res(per_segment),
            extras={"per_segment": per_segment, "segments": parts.segments, **extras},
        )
