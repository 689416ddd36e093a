"""Curves of the score as groups of units go or come: pixel flipping, and whether revealing never lowers it."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, Case, Measured, MetricFold, Model
from cnnviz_plugins.measure.faithfulness.units import InGroups
from cnnviz_plugins.measure.options.faithfulness import MonotonicityConfig, PixelFlippingConfig

Fold = TypeVar("Fold", bound=MetricFold)


@dataclass(frozen=True, kw_only=True)
class PixelFlipping(InGroups):
    """Area under the score as units are flipped, the strongest first, over the share that is flipped.

    `curve` is the score at each share, the untouched image first.

    Cost: one forward pass per step, and one.
    Source: Bach, Binder, Montavon, Klauschen, Müller, Samek 2015, section 4.
    """

    config: PixelFlippingConfig
    better: Better = "lower"
    axis: str = "share of the image flipped"

    @classmethod
    def build(cls, config: Any, model: Model) -> InGroups:
        """Return the fold for images of `model`."""
        return by_convention(super().build(config, model))

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is flipped by then."""
        return case.context.place < case.index * self.step

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the area and the curve."""
        return area_of(self, gathered)


@dataclass(frozen=True, kw_only=True)
class Monotonicity(InGroups):
    """1 where the score never falls as units are revealed, the weakest first, else 0.

    `curve` is the score at each share, the empty image first; `extras` has `rising`, the share of the steps that do
    not lower it.

    Cost: one forward pass per step, and one.
    Source: Arya et al. 2019, section 5. Quantus' answer is always yes: it writes the fill over the fill.
    """

    config: MonotonicityConfig
    better: Better = "higher"
    axis: str = "share of the image revealed"

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is still hidden."""
        return case.context.place < case.context.place.size - case.index * self.step

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return whether it never falls."""
        rises = gathered[1:] >= gathered[:-1]
        return Measured(
            values=rises.all().astype(jnp.float32), curve=gathered, extras={"rising": rises.mean(dtype=jnp.float32)}
        )


def by_convention(made: Fold) -> Fold:
    """Return a measure of the area under a curve, by Quantus' convention without the untouched image's point."""
    return made if made.config.convention == "paper" else replace(made, at=made.at[1:])


def area_of(fold: MetricFold, gathered: Float[Array, " p"]) -> Measured:
    """Return the area under the scores, the untouched image's first, and the curve, by the fold's convention."""
    if fold.config.convention == "quantus":
        return Measured(values=trapezoid(gathered[1:]), curve=gathered[1:])
    return Measured(values=trapezoid(gathered, fold.at), curve=gathered)


def trapezoid(curve: Float[Array, " p"], at: tuple[float, ...] | None = None) -> Float[Array, ""]:
    """Return the area under straight lines between points that stand at `at`, or one apart."""
    widths = np.ones(curve.size - 1) if at is None else np.diff(np.asarray(at))
    return ((curve[1:] + curve[:-1]) / 2 * jnp.asarray(widths, curve.dtype)).sum()
