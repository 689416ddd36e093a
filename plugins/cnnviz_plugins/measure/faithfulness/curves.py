"""Curves of the score as groups of units go or come: pixel flipping, and whether revealing never lowers it."""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Better, Case, Measured, Model
from cnnviz_plugins.measure.faithfulness.units import InGroups
from cnnviz_plugins.measure.options.faithfulness import MonotonicityConfig, PixelFlippingConfig


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
        made = super().build(config, model)
        return made if config.convention == "paper" else replace(made, at=made.at[1:])

    def is_gone(self, case: Case) -> Bool[Array, "h w k"]:
        """Whether each unit is flipped by then."""
        return case.context.place < case.index * self.step

    def finish(self, case: Case, gathered: Float[Array, " p"]) -> Measured:
        """Return the area and the curve."""
        if self.config.convention == "quantus":
            return Measured(values=trapezoid(gathered[1:]), curve=gathered[1:])
        return Measured(values=trapezoid(gathered, self.at), curve=gathered)


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


def trapezoid(curve: Float[Array, " p"], at: tuple[float, ...] | None = None) -> Float[Array, ""]:
    """Return the area under straight lines between points that stand at `at`, or one apart."""
    widths = np.ones(curve.size - 1) if at is None else np.diff(np.asarray(at))
    return ((curve[1:] + curve[:-1]) / 2 * jnp.asarray(widths, curve.dtype)).sum()
