"""Inversion: an image that a layer cannot tell from the given one (Mahendran, Vedaldi 2015)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Model, Target
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.parametrizations import Pixel
from cnnviz_plugins.synthesize.placement import need_image, seen
from cnnviz_plugins.synthesize.plugin import InversionConfig
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.regularizers import Clip
from cnnviz_plugins.synthesize.updates import Adam


@dataclass(frozen=True)
class AlphaNorm:
    """Mean of (2 |image - 0.5|)^alpha: keeps intensities in range, hardly felt inside it."""

    weight: float
    alpha: float = 6.0

    def penalty(self, image: Float[Array, "*axes c"]) -> Float[Array, ""]:
        """Return the mean."""
        return jnp.mean(jnp.abs(2 * (image - 0.5)) ** self.alpha)


@dataclass(frozen=True)
class Smoothness:
    """Mean of (squared difference downwards + squared difference to the right)^(beta / 2); along every axis."""

    weight: float
    beta: float = 2.0

    def penalty(self, image: Float[Array, "*axes c"]) -> Float[Array, ""]:
        """Return the mean over pixels that have both neighbours."""
        long = [axis for axis in range(image.ndim - 1) if image.shape[axis] > 1]
        here = image[tuple(slice(-1) if axis in long else slice(None) for axis in range(image.ndim - 1))]
        each = [
            jnp.square(jax.lax.slice_in_dim(image, 1, None, axis=axis)[tuple(map(slice, here.shape))] - here)
            for axis in long
        ]
        squares = sum(each, jnp.zeros_like(here))
        # Away from zero under a fractional power, whose slope there is infinite.
        return ((squares + 1e-12) ** (self.beta / 2) if self.beta != 2 else squares).sum() / image.size


@dataclass(frozen=True, kw_only=True)
class Inversion(Ascent):
    """argmin over images x of ||f(x) - f(x0)||^2 / ||f(x0)||^2 + alpha-norm + total variation.

    Series and volumes have no range that all share: of them it is the distance and the total variation alone.

    The score that is maximised is minus the first term: 0 for an image that the layer cannot tell from the given
    one, -1 for one to which it answers with zeros.

    Raises (when built):
        ImageError: There is no image.

    Cost: steps forward and backward passes per image, up to the layer.
    Randomness: the start, mid-grey with faint noise.
    Source: Mahendran, Vedaldi 2015, section 3; steps are by Adam in place of gradient descent with momentum, so that
    one rate serves all layers.
    """

    inverted: str

    @classmethod
    def build(cls, config: InversionConfig, model: Model, target: Target) -> "Inversion":
        """Return the iteration for `model`."""
        smooth = Smoothness(config.beta_weight, config.beta)
        in_range = (AlphaNorm(config.alpha_weight, config.alpha), smooth, Clip())
        recipe = Recipe(
            size=need_image(target, "inversion"),
            steps=config.steps,
            parametrization=Pixel("normal", 0.02),
            update=Adam(config.rate),
            regularizers=in_range if model.structure.one_space is None else (smooth,),
            tap="layer",
        )
        return cls.of(recipe, model, target, inverted=config.layer, starts_at_image=False)

    def context(self, case: Case, given: Mapping[str, Array]) -> Any:
        """Return the layer's values for the image."""
        return seen(case.model, self.inverted, given)

    def scores(self, case: Case, outputs: Any, activations: dict[str, Array]) -> Float[Array, " k"]:
        """Return minus the relative squared distance."""
        whole = jnp.maximum(jnp.square(case.context).sum(), 1e-12)
        return -jax.vmap(lambda value: jnp.square(value - case.context).sum() / whole)(activations[self.inverted])
