"""Feature accentuation: an image changed so that a unit fires more, and otherwise kept (Hamblin et al. 2024)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Model, Target
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.parametrizations import Fourier
from cnnviz_plugins.synthesize.placement import IMAGE, need_image, seen
from cnnviz_plugins.synthesize.plugin import AccentuationConfig
from cnnviz_plugins.synthesize.recipes import Recipe, changed
from cnnviz_plugins.synthesize.transforms import viewed
from cnnviz_plugins.synthesize.updates import Adam


@dataclass(frozen=True, kw_only=True)
class Accentuation(Ascent):
    """Ascent from an image, less `keep` times the relative squared distance from it in a layer.

    Image and changed image are compared under the same random view. The score is divided by its size at the
    image, so that `keep` means the same for every unit.

    Raises (when built):
        ImageError: There is no image.

    Cost: steps x views x 3 forward and 2 backward passes per image.
    Randomness: the views.
    Source: Hamblin, Fel, Saha, Konkle, Alvarez 2024, section 2.
    """

    kept_in: str
    keep: float

    @classmethod
    def build(cls, config: AccentuationConfig, model: Model, target: Target) -> "Accentuation":
        """Return the iteration for `model`."""
        size = need_image(target, "accentuation")
        recipe = Recipe(size=size, steps=config.steps, parametrization=Fourier(), update=Adam(config.rate))
        recipe = changed(recipe, transforms=config.transforms)
        maps = [layer.name for layer in model.layers.values() if layer.is_map]
        layer = model.layers.resolve(config.keep_layer) if config.keep_layer else (maps or list(model.layers))[0]
        return cls.of(recipe, model, target, kept_in=layer, keep=config.keep, notes=(("keep_layer", layer),))

    def context(self, model: Model, target: Target, given: Mapping[str, Array]) -> Any:
        """Return the image and the size of the score there."""
        image = given[IMAGE]
        outputs, activations = self.read(model, target, image, None)
        values = [activations[layer] for layer in target.layers] or [jnp.asarray(outputs)]
        size = jnp.sqrt(jnp.mean(jnp.square(values[0])))
        return {"image": image, "size": jnp.maximum(size, 1e-6)}

    def taken(
        self, model: Model, context: Any, images: Float[Array, "k h w c"], key: Any, progress: Array
    ) -> Float[Array, " k"]:
        """Return the penalties and the distance from the image, in units of the score."""

        def one(image: Array, number: Array) -> Array:
            own = jax.random.fold_in(key, number)
            pair = (viewed(each, self.recipe.transforms, own, progress) for each in (image, context["image"]))
            changed_values, values = (seen(model, self.kept_in, {IMAGE: each}) for each in pair)
            whole = jnp.maximum(jnp.square(values).sum(), 1e-12)
            return jnp.square(changed_values - values).sum() / whole

        distance = jax.vmap(one)(images, jnp.arange(self.copies))
        return super().taken(model, context, images, key, progress) + self.keep * context["size"] * distance
