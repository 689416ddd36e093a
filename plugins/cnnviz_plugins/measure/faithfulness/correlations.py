"""Correlations of what the map says of parts of the image with what the removal of each does to the score."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, Model, UsageError, fill_of
from cnnviz_plugins.measure.faithfulness.units import InGroups, contributions, grouping
from cnnviz_plugins.measure.options.faithfulness import (
    FaithfulnessCorrelationConfig,
    MonotonicityCorrelationConfig,
    MuFidelityConfig,
)
from cnnviz_plugins.measure.statistics import pearson, spearman

_CONSTANT = "the score, or the map's sum, is the same for all that was removed"


@dataclass(frozen=True, kw_only=True)
class FaithfulnessEstimate(InGroups):
    """Pearson's correlation, over groups of units, of the map's sum with the fall of the score without the group.

    Cost: one forward pass per group, and one.
    Source: Alvarez-Melis, Jaakkola 2018, section 4.2, which removes single features; groups are Quantus'.
    """

    undefined: str = _CONSTANT

    @classmethod
    def build(cls, config: Any, model: Model) -> "FaithfulnessEstimate":
        """Return the fold for images of `model`."""
        step, groups, _ = grouping(config, model)
        return cls(config=config, step=step, groups=groups, notes=(("units in a step", step),))

    def finish(self, case: Case, gathered: Float[Array, " g"]) -> Measured:
        """Return the correlation."""
        return Measured(values=pearson(self.sums(case), gathered[0] - gathered[1:]))


@dataclass(frozen=True, kw_only=True)
class MonotonicityCorrelation(InGroups):
    """Spearman's correlation, over groups, of the sum of |map| with the mean squared change of the score.

    Randomness: fill i of an image uses fold_in(image's key, i).
    Cost: one forward pass per group and sample, and one.
    Source: Nguyen, Martínez 2020, section 3. Their division by the squared score changes no rank.
    """

    config: MonotonicityCorrelationConfig
    undefined: str = _CONSTANT
    draws: int = 1

    @classmethod
    def build(cls, config: MonotonicityCorrelationConfig, model: Model) -> "MonotonicityCorrelation":
        """Return the fold for images of `model`."""
        step, groups, _ = grouping(config, model)
        draws = config.samples if config.fill == "uniform" else 1
        return cls(config=config, step=step, groups=groups, draws=draws, notes=(("units in a step", step),))

    @property
    def evaluations(self) -> int:
        """The untouched image, and as many for each group as fills are drawn."""
        return 1 + self.groups * self.draws

    def values_of(self, case: Case) -> Float[Array, "h w k"]:
        """Return the sizes of what the map says of each unit."""
        return jnp.abs(contributions(case, self.config.unit))

    def nothing(self, case: Case) -> Float[Array, "h w c"]:
        """Return the image with nothing left; the untouched one where a fill is drawn each time."""
        return case.image if self.config.fill == "uniform" else fill_of(case.image, self.config.fill, case.model)

    def evaluate(self, case: Case) -> Float[Array, ""]:
        """Return the score without a group, under one fill."""
        nothing = case.context.nothing
        if self.config.fill == "uniform":
            low, high = case.image.min(), case.image.max()
            nothing = jnp.full_like(nothing, low + (high - low) * jax.random.uniform(case.key, (), nothing.dtype))
        is_gone = (case.context.place // self.step == (case.index - 1) // self.draws) & (case.index > 0)
        return self.score(case, is_gone, nothing)

    def finish(self, case: Case, gathered: Float[Array, " g"]) -> Measured:
        """Return the correlation."""
        changes = (gathered[1:] - gathered[0]).reshape(self.groups, self.draws)
        return Measured(values=spearman(self.sums(case), (changes**2).mean(1)))


@dataclass(frozen=True, kw_only=True)
class _Subsets(MetricFold):
    """Random subsets of the image: evaluation i removes one, and gathers the map's sum over it and the score."""

    better: Better = "higher"
    undefined: str = _CONSTANT

    @property
    def evaluations(self) -> int:
        """One per subset."""
        return int(self.config.samples)

    def prepare(self, case: Case) -> tuple[Float[Array, "h w k"], Float[Array, "h w c"], Float[Array, ""]]:
        """Return what the map says of each unit, the image with nothing left, and the untouched score."""
        scored = case.target.inner.scored_as(self.config.score)
        nothing = fill_of(case.image, self.config.fill, case.model)
        return contributions(case, self.unit), nothing, case.model.score(case.image, scored)[0]

    @property
    def unit(self) -> str:
        """What is removed at once."""
        return "pixel"

    def subset(self, case: Case, values: Float[Array, "h w k"]) -> Bool[Array, "h w k"]:
        """Return the subset of this evaluation."""
        raise TypeError(f"{type(self).__name__} defines no subset")

    def evaluate(self, case: Case) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the map's sum over the subset, and how far the score falls without it."""
        values, nothing, before = case.context
        is_gone = self.subset(case, values)
        changed = jnp.where(is_gone, nothing, case.image)
        after = case.model.score(changed, case.target.inner.scored_as(self.config.score))[0]
        return jnp.where(is_gone, values, 0.0).sum(), before - after


@dataclass(frozen=True, kw_only=True)
class FaithfulnessCorrelation(_Subsets):
    """Pearson's correlation, over random subsets, of the map's sum with the fall of the score without the subset.

    `extras` has its `standard_error`, sqrt((1 - r^2) / (samples - 2)).

    Randomness: subset i of an image uses fold_in(image's key, i).
    Cost: `samples` + 1 forward passes per image.
    Source: Bhatt, Weller, Moura 2020, definition 3.
    """

    config: FaithfulnessCorrelationConfig
    size: int = 1

    @classmethod
    def build(cls, config: FaithfulnessCorrelationConfig, model: Model) -> "FaithfulnessCorrelation":
        """Return the fold for images of `model`.

        Raises:
            UsageError: A subset is the whole image.
        """
        height, width, channels = model.input_shape
        units = height * width * (channels if config.unit == "element" else 1)
        size = min(224, max(1, units // 4)) if config.subset is None else config.subset
        if size >= units:
            raise UsageError(f"subset is less than the number of {config.unit}s, {units} here; got {size}")
        return cls(config=config, size=size, notes=(("units in a subset", size),))

    @property
    def unit(self) -> str:
        """What is removed at once."""
        return self.config.unit

    def subset(self, case: Case, values: Float[Array, "h w k"]) -> Bool[Array, "h w k"]:
        """Return a random subset of the size asked for."""
        drawn = jax.random.permutation(case.key, jnp.arange(values.size) < self.size)
        return drawn.reshape(values.shape)

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return the correlation and its standard error."""
        found = pearson(*gathered)
        error = jnp.sqrt((1 - found**2) / max(1, self.config.samples - 2))
        return Measured(values=found, extras={"standard_error": error})


@dataclass(frozen=True, kw_only=True)
class MuFidelity(_Subsets):
    """Spearman's correlation, over random masks of blocks, of the map's sum with the fall of the score under the mask.

    Randomness: mask i of an image uses fold_in(image's key, i).
    Cost: `samples` + 1 forward passes per image.
    Source: Bhatt, Weller, Moura 2020, definition 3; blocks and ranks are Xplique's.
    """

    config: MuFidelityConfig

    def subset(self, case: Case, values: Float[Array, "h w k"]) -> Bool[Array, "h w k"]:
        """Return the blocks that are removed, enlarged to the nearest."""
        cells = jax.random.uniform(case.key, (self.config.grid, self.config.grid)) < self.config.share
        rows, cols = (np.arange(size) * self.config.grid // size for size in values.shape[:2])
        return cells[rows][:, cols][..., None]

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return the correlation."""
        return Measured(values=spearman(*gathered))
