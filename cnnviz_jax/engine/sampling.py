"""Maps that are the mean of random draws: with standard errors, and drawing no more than is needed where asked."""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.results.attribution import Heatmap

_FIRST_LOOK = 16
"""Draws after which a tolerance is looked at for the first time; then after twice as many, and so on."""


class Sums(NamedTuple):
    """What is added up over draws."""

    values: Float[Array, "..."]
    squares: Float[Array, "..."]
    more: Any
    """Further numbers, whose means the technique wants."""
    draws: Float[Array, ""]
    idle: Float[Array, ""]
    """Draws left out because the map was known."""

    @property
    def mean(self) -> Float[Array, "..."]:
        """The mean of the draws."""
        return self.values * self.share

    @property
    def share(self) -> Float[Array, ""]:
        """One over the number of draws."""
        # Of a map divided by a number XLA makes a product with its inverse in some programs and not in others, so that
        # last bits would depend on how images are spread over devices. Written as a product it is one everywhere.
        return 1 / self.draws

    @property
    def standard_error(self) -> Float[Array, "..."]:
        """The standard deviation of the draws (over count - 1) by the root of their number; NaN for a single draw."""
        # One pass: for draws that differ by less than a hundredth of their mean, float32 has no digits left of the
        # difference, and what comes out is rounding, of at most 3e-4 of the mean.
        spread = jnp.maximum(self.squares - self.values * self.mean, 0)
        single = self.draws < 2
        variance = spread * (1 / jnp.where(single, 1, self.draws - 1))
        return jnp.where(single, jnp.nan, jnp.sqrt(variance * self.share))


class Sampling(NamedTuple):
    """What the draws of one image share: the technique's own part, and whether its map is known well enough."""

    own: Any
    settled: Bool[Array, ""]


@dataclass(frozen=True, kw_only=True)
class SampledMean(Fold):
    """One image explained by the mean of random draws, with the standard error of each value.

    A technique defines `draw`, and `shared` and `of_mean` where it needs them. `extras["standard_error"]` is like the
    values: the standard deviation of the draws by the root of their number, from what is drawn anyway. With a
    `tolerance` each image stops after 16, 32, 64, ... draws, as soon as the standard error, root mean square over the
    map, is at most that share of the map's own root mean square; `extras["samples"]` is how many were drawn. Where it
    stops depends on the image and its key, not on chunk, batch or device.

    Cost: a copy of the map more in memory; nothing is evaluated for it.
    """

    gather: Literal["sum", "stack"] = "sum"
    count: int
    """Draws; the most, with a tolerance."""
    tolerance: float | None = None

    @property
    def evaluations(self) -> int:
        """One per draw."""
        return self.count

    @property
    def rounds(self) -> tuple[int, ...]:
        """After how many draws it is decided whether to go on."""
        looks: list[int] = []
        if self.tolerance is not None:
            looks.append(_FIRST_LOOK)
            while looks[-1] < self.count:
                looks.append(2 * looks[-1])
        return (*(look for look in looks if look < self.count), self.count)

    @property
    def is_plain(self) -> bool:
        """Whether the map is the mean of its draws as it is, so that their spread is its error."""
        return True

    def shared(self, case: Case) -> Any:
        """Return what every draw of this image shares; `draw` and `of_mean` find it in `case.context`."""
        return ()

    def draw(self, case: Case) -> tuple[Float[Array, "..."], Any]:
        """Return one draw of the map, and further numbers to be averaged; `case.key` is this draw's own."""
        raise TypeError(f"{type(self).__name__} defines no draw")

    def of_mean(self, case: Case, values: Float[Array, "..."], more: Any) -> Heatmap:
        """Return the image's result from the mean map and the means of the further numbers."""
        return Heatmap(values=values)

    def prepare(self, case: Case) -> Sampling:
        """Return what the draws share."""
        return Sampling(self.shared(case), jnp.asarray(False))

    def evaluate(self, case: Case) -> Sums:
        """Return one draw and its square, or zeros where the map is known."""
        values, more = self.draw(replace(case, context=case.context.own))
        one = jnp.float32(1)
        sums = Sums(values, values * values, more, one, 0 * one)
        if self.tolerance is None:
            return sums
        drawn = jax.tree.map(lambda leaf: jnp.where(case.context.settled, jnp.zeros_like(leaf), leaf), sums)
        return drawn._replace(idle=jnp.where(case.context.settled, one, 0 * one))

    def refine(self, case: Case, gathered: Sums) -> Sampling:
        """Return whether the map is known, after a round."""
        # `idle` says that it was known before. A run that resumes within a round has a count between two looks: it
        # then decides nothing, as an undisturbed run would not have looked there.
        looked = jnp.isin(gathered.draws, jnp.asarray(self.rounds, jnp.float32))
        error, size = (jnp.sqrt(jnp.mean(part**2)) for part in (gathered.standard_error, gathered.mean))
        is_known = looked & (error <= (self.tolerance or 0) * size)
        return case.context._replace(settled=(gathered.idle > 0) | is_known)

    def is_over(self, context: Any) -> bool:
        """Whether no image of the batch needs more draws."""
        return self.tolerance is not None and bool(np.asarray(context.settled).all())

    def finish(self, case: Case, gathered: Sums) -> Heatmap:
        """Return the result, with the standard error and the number of draws."""
        own = replace(case, context=case.context.own)
        more = jax.tree.map(lambda total: total * gathered.share, gathered.more)
        found = self.of_mean(own, gathered.mean, more)
        extras = {"standard_error": gathered.standard_error} if self.is_plain else {}
        if self.tolerance is not None:
            extras["samples"] = gathered.draws.astype(jnp.int32)
        return replace(found, extras={**found.extras, **extras})
