"""What keeps an image tame: penalties taken from the objective, and constraints applied after every step.

A penalty is a frozen dataclass with `weight` and `penalty(image)`. A constraint has `constrained`, which returns
the image after the step; constraints act on pixels and so need the parametrisation `pixel`.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import UsageError
from cnnviz_plugins.synthesize.transforms import blurred

Image = Float[Array, "*axes c"]
"""An image (h, w, c), a series (t, c) or a volume (d, h, w, c)."""


@runtime_checkable
class Penalty(Protocol):
    """Taken from the objective."""

    weight: float

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return what is taken, before the weight."""


@runtime_checkable
class Constraint(Protocol):
    """Applied to the image after a step."""

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image as it may be.

        Args:
            image: After the step, in [0, 1] units.
            gradient: The objective's, before the step.
            index: The step's number, from 0.
            mean: The colour that the model subtracts: zero, for the model.
        """


@dataclass(frozen=True)
class L1:
    """Sum of distances from one value. Source: Lucid, `objectives.L1`."""

    weight: float = 0.001
    value: float = 0.5

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return the sum of |image - value|."""
        return jnp.abs(image - self.value).sum()


@dataclass(frozen=True)
class L2:
    """Euclidean distance from one value, or its square. Source: Lucid, `objectives.L2`; Simonyan 2013 squares it."""

    weight: float = 0.001
    value: float | tuple[float, ...] = 0.5
    """The value, or one per channel."""
    squared: bool = False

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return the root of the sum of squares, or the sum of squares."""
        total = jnp.square(image - jnp.asarray(self.value, image.dtype)).sum()
        return total if self.squared else jnp.sqrt(total + 1e-6)


@dataclass(frozen=True)
class TotalVariation:
    """Sum of differences between neighbours, each to a power. Power 1 is TensorFlow's `total_variation`."""

    weight: float = 0.001
    power: float = 1.0

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return the sum over rows and columns, or over every axis of a series or volume."""
        each = [jnp.abs(jnp.diff(image, axis=axis)) for axis in range(image.ndim - 1)]
        sums = [(steps**self.power).sum() if self.power != 1 else steps.sum() for steps in each]
        return sum(sums[1:], sums[0])


@dataclass(frozen=True)
class BlurPenalty:
    """Sum of squared differences from a blurred copy: fine detail. Source: Lucid, `objectives.blur_input_each_step`."""

    weight: float = 0.001
    sigma: float = 1.0

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return the sum of squares."""
        return jnp.square(image - blurred(image, self.sigma)).sum()


@dataclass(frozen=True)
class Border:
    """Detail and colour near the edges. Source: Lucid, `objectives.penalize_boundary_complexity`."""

    weight: float = 0.001
    width: int = 20
    """Of the border, in pixels; of a small image at most a quarter."""
    value: float = 0.5

    def penalty(self, image: Image) -> Float[Array, ""]:
        """Return squared detail plus 0.8 times the squared distance from `value`, summed over the border."""
        inside = (slice(cut := min(self.width, side // 4), side - cut) for side in image.shape[:-1])
        inner = jnp.zeros(image.shape[:-1]).at[tuple(inside)].set(1.0)
        total = jnp.square(blurred(image, 1.0) - image) + 0.8 * jnp.square(image - self.value)
        return (total * (1 - inner)[..., None]).sum()


@dataclass(frozen=True)
class Clip:
    """Values stay in [0, 1], or between other limits."""

    low: float = 0.0
    high: float = 1.0

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image cut."""
        return jnp.clip(image, self.low, self.high)


@dataclass(frozen=True)
class Decay:
    """The image moves towards the mean colour by a share of the way. Source: Yosinski et al. 2015, section 3."""

    share: float = 0.0001

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image decayed."""
        return mean + (1 - self.share) * (image - mean)


@dataclass(frozen=True)
class BlurEvery:
    """The image is blurred at every so many steps. Source: Yosinski et al. 2015, section 3."""

    sigma: float = 0.5
    """In pixels."""
    every: int = 4
    """Steps."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"blur-every counts steps from 1, got {self.every}")

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image, blurred if it is its turn."""
        return jnp.where(index % self.every == 0, blurred(image, self.sigma), image)


@dataclass(frozen=True)
class ClipNorm:
    """Pixels of small norm become the mean colour. Source: Yosinski et al. 2015, section 3."""

    percentile: float = 50.0
    """Pixels whose norm over channels is below this percentile."""

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image without them."""
        norms = jnp.sqrt(jnp.square(image - mean).sum(-1))
        return jnp.where((norms < jnp.percentile(norms, self.percentile))[..., None], mean, image)


@dataclass(frozen=True)
class ClipContribution:
    """Pixels that contribute little become the mean colour. Source: Yosinski et al. 2015, section 3."""

    percentile: float = 90.0
    """Pixels whose |sum over channels of gradient x value| is below this percentile."""

    def constrained(self, image: Image, gradient: Image, index: Int[Array, ""], mean: Float[Array, " c"]) -> Image:
        """Return the image without them."""
        benefit = jnp.abs((gradient * (mean - image)).sum(-1))
        return jnp.where((benefit < jnp.percentile(benefit, self.percentile))[..., None], mean, image)


REGULARIZERS: dict[str, type] = {
    "l1": L1, "l2": L2, "total-variation": TotalVariation, "blur": BlurPenalty, "border": Border, "clip": Clip,
    "decay": Decay, "blur-every": BlurEvery, "clip-norm": ClipNorm, "clip-contribution": ClipContribution,
}  # fmt: skip
"""The built-in penalties and constraints by name."""
