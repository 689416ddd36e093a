"""The units of an image that measures change, pixels or elements, in groups in the order of the map."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import Case, MetricFold, Model, fill_of
from cnnviz_plugins.measure.curves import places


def contributions(case: Case, unit: str) -> Float[Array, "h w k"]:
    """Return what the map says of every unit: of a pixel the signed sum over its channels, of an element its value.

    A map of one number per pixel is shared equally by the pixel's channels where units are elements.
    """
    raw, channels = case.target.raw, case.image.shape[-1]
    if unit == "pixel":
        return raw.sum(-1, keepdims=True)
    return (
        raw if raw.shape[-1] == channels else jnp.broadcast_to(raw.sum(-1, keepdims=True) / channels, case.image.shape)
    )


def ordered(values: Float[Array, "h w k"]) -> Int[Array, "h w k"]:
    """Return the place of each unit, 0 for the strongest; equal ones in the order (channel, row, column)."""
    # Channels first, as arrays of peers lie: where a network ignores some elements, theirs go in the same order.
    by_channel = jnp.moveaxis(values, -1, 0)
    return jnp.moveaxis(places(by_channel.reshape(len(by_channel), -1)).reshape(by_channel.shape), 0, -1)


class Prepared(NamedTuple):
    """What all evaluations of an image share."""

    values: Float[Array, "h w k"]
    """What the map says of each unit."""
    place: Int[Array, "h w k"]
    """Each unit's place in the order of the map."""
    nothing: Float[Array, "h w c"]
    """The image with nothing left."""


@dataclass(frozen=True, kw_only=True)
class InGroups(MetricFold):
    """Units in groups of `step`, in the order of the map: evaluation 0 is the untouched image, i changes group i - 1.

    What counts of a group is the signed sum of the map over its units, and the order is that of the same numbers,
    whatever the reduction.
    """

    step: int = 1
    groups: int = 1

    @classmethod
    def build(cls, config: Any, model: Model) -> "InGroups":
        """Return the fold for images of `model`."""
        step, groups, units = grouping(config, model)
        at = tuple(min(group * step, units) / units for group in range(groups + 1))
        return cls(config=config, step=step, groups=groups, at=at, notes=(("units in a step", step),))

    @property
    def evaluations(self) -> int:
        """The untouched image, and one for each group."""
        return self.groups + 1

    def prepare(self, case: Case) -> Prepared:
        """Return the order of the units, and the image with nothing left."""
        values = self.values_of(case)
        return Prepared(values, ordered(values), self.nothing(case))

    def values_of(self, case: Case) -> Float[Array, "h w k"]:
        """Return the numbers that decide the order, and whose sums over groups count."""
        return contributions(case, self.config.unit)

    def nothing(self, case: Case) -> Float[Array, "h w c"]:
        """Return the image with nothing left."""
        return fill_of(case.image, self.config.fill, case.model)

    def score(self, case: Case, is_gone: Bool[Array, "h w k"], nothing: Float[Array, "h w c"]) -> Float[Array, ""]:
        """Return the score of the image without some units."""
        changed = jnp.where(is_gone, nothing, case.image)
        return case.model.score(changed, case.target.inner.scored_as(self.config.score))[0]

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without the group of this number."""
        return self.score(case, self.is_gone(case), case.context.nothing)

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is changed in this evaluation."""
        return case.context.place // self.step == case.index - 1

    def sums(self, case: Case) -> Float[Array, " g"]:
        """Return the sum of the map over each group."""
        group = (case.context.place // self.step).reshape(-1)
        return jax.ops.segment_sum(case.context.values.reshape(-1), group, self.groups)


def grouping(config: Any, model: Model) -> tuple[int, int, int]:
    """Return how many units a group has, how many groups there are, and how many units."""
    height, width, channels = model.input_shape
    units = height * width * (channels if config.unit == "element" else 1)
    step = min(config.step or -(-units // 50), units)
    return step, -(-units // step), units
