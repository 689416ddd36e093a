"""A number for each part from random samples: with its standard error, and no more samples than are needed."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cnnviz_jax.plugin import Case, Heatmap
from cnnviz_plugins.explain.perturbation.parts import Parts, PartsFold


class Told(NamedTuple):
    """What samples tell of the parts of one image."""

    parts: Parts
    values: Float[Array, " count"]
    error: Float[Array, " count"] | None
    """Standard errors; `None` where nothing was left to chance, or nobody knows them."""
    extras: dict[str, Array]


class Asked(NamedTuple):
    """What the evaluations of one image share."""

    own: Any
    """The technique's own part."""
    used: Int[Array, ""]
    """How many evaluations count."""
    settled: Bool[Array, ""]
    """Whether these are enough."""


@dataclass(frozen=True, kw_only=True)
class SampledParts(PartsFold):
    """A fold whose numbers are made of all evaluations together, a regression or a quotient of means.

    A technique defines `ask` and `tell`, and `shared` where its evaluations share more than the parts.
    `extras["standard_error"]` is like the values. With a `tolerance` it is asked again after each of `looks` whether
    the standard error, root mean square over the parts, is at most that share of the values' own root mean square;
    `extras["samples"]` is how many evaluations an image took. Where it stops depends on the image and its key, not on
    chunk, batch or device.
    """

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many evaluations a tolerance is looked at."""
        # A regression of k unknowns tells little of its error before it has some four times as many observations.
        first, looks = max(16, 4 * self.segments.count), []
        while first < self.evaluations:
            looks.append(first)
            first *= 2
        return tuple(looks)

    @property
    def rounds(self) -> tuple[int, ...]:
        """The looks, where there is a tolerance, and the end."""
        looks = () if self.config.tolerance is None else self.looks  # type: ignore[attr-defined]  # each has one
        return (*looks, self.evaluations)

    def shared(self, case: Case) -> Any:
        """Return what the evaluations share; the parts. `ask` finds it in `case.context`."""
        return self.parts(case)

    @abstractmethod
    def ask(self, case: Case) -> Any:
        """Return evaluation `case.index`."""

    @abstractmethod
    def tell(self, own: Any, gathered: Any, counts: Bool[Array, " n"]) -> Told:
        """Return what the evaluations that count tell.

        Args:
            own: What `shared` returned.
            gathered: All that was evaluated, and room for more.
            counts: Which of it counts.
        """

    def prepare(self, case: Case) -> Asked:
        """Return what the evaluations share."""
        return Asked(self.shared(case), jnp.int32(self.rounds[0]), jnp.asarray(False))

    def evaluate(self, case: Case) -> Any:
        """Return evaluation `case.index`."""
        return self.ask(replace(case, context=case.context.own))

    def refine(self, case: Case, gathered: Any) -> Asked:
        """Return whether the evaluations of a round are enough, and how many count from now on."""
        own, used, settled = case.context
        told = self._told(case, gathered)
        ends = jnp.asarray(self.rounds, jnp.int32)
        if told.error is None:
            is_known = jnp.asarray(False)
        else:
            error, size = (jnp.sqrt(jnp.mean(part**2)) for part in (told.error, told.values))
            is_known = error <= self.config.tolerance * size  # type: ignore[attr-defined]
        settled = settled | is_known
        following = ends[jnp.minimum(jnp.searchsorted(ends, used, side="right"), len(self.rounds) - 1)]
        return Asked(own, jnp.where(settled, used, following), settled)

    def is_over(self, context: Any) -> bool:
        """Whether no image of the batch needs more."""
        return bool(np.asarray(context.settled).all())

    def finish(self, case: Case, gathered: Any) -> Heatmap:
        """Return the numbers as a map, with their standard errors."""
        parts, values, error, extras = self._told(case, gathered)
        if error is not None:
            extras = {**extras, "standard_error": error[parts.segments]}
        if len(self.rounds) > 1:
            extras = {**extras, "samples": case.context.used}
        return self.shown(parts, values, **extras)

    def _told(self, case: Case, gathered: Any) -> Told:
        return self.tell(case.context.own, gathered, jnp.arange(self.evaluations) < case.context.used)
