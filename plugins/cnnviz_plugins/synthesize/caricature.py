"""Caricature: what a layer sees in an image, exaggerated (Olah et al. 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Direction, Model, Target
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.parametrizations import Fourier
from cnnviz_plugins.synthesize.placement import need_image, seen
from cnnviz_plugins.synthesize.plugin import CaricatureConfig
from cnnviz_plugins.synthesize.recipes import Recipe, changed
from cnnviz_plugins.synthesize.updates import Adam


@dataclass(frozen=True, kw_only=True)
class Caricature(Ascent):
    """argmax over images x of dot(f(x), f(x0)) * max(0.1, cosine)^power, over the layer's whole map, from noise.

    Raises (when built):
        ImageError: There is no image.

    Cost: steps forward and backward passes per image, up to the layer.
    Randomness: start and views.
    Source: Olah et al. 2018, "The Building Blocks of Interpretability"; Lucid, `dot_compare` and its caricatures.
    """

    seen_by: str
    power: float

    @classmethod
    def build(cls, config: CaricatureConfig, model: Model, target: Target) -> "Caricature":
        """Return the iteration for `model`."""
        recipe = Recipe(
            size=need_image(target, "caricature"),
            steps=config.steps,
            parametrization=Fourier(),
            update=Adam(config.rate),
            tap="layer",
        )
        recipe = changed(recipe, transforms=config.transforms)
        return cls.of(recipe, model, target, seen_by=config.layer, power=config.power, starts_at_image=False)

    def context(self, model: Model, target: Target, given: Mapping[str, Array]) -> Any:
        """Return the layer's values for the image, per square root of their number."""
        value = seen(model, self.seen_by, given)
        return value / jnp.sqrt(jnp.float32(value.size))

    def scores(
        self, target: Target, context: Any, outputs: Any, activations: dict[str, Array], images: Float[Array, "k h w c"]
    ) -> Float[Array, " k"]:
        """Return how far the layer's values point along the image's."""
        along = Direction(layer=self.seen_by, vector=context, power=self.power)
        return jax.vmap(lambda value: along.score(None, {self.seen_by: value}))(activations[self.seen_by])
