"""Ascents from an image or towards what a layer sees in it: caricature, DeepDream, accentuation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import Case, Direction, Model, Target, UsageError
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.parametrizations import Fourier, Pixel
from cnnviz_plugins.synthesize.placement import IMAGE, need_image, seen
from cnnviz_plugins.synthesize.plugin import AccentuationConfig, CaricatureConfig, DeepdreamConfig
from cnnviz_plugins.synthesize.recipes import Recipe, changed
from cnnviz_plugins.synthesize.regularizers import Clip
from cnnviz_plugins.synthesize.transforms import Jitter, Octaves, viewed
from cnnviz_plugins.synthesize.updates import Adam, Rms


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

    def context(self, case: Case, given: Mapping[str, Array]) -> Any:
        """Return the layer's values for the image, per square root of their number."""
        value = seen(case.model, self.seen_by, given)
        return value / jnp.sqrt(jnp.float32(value.size))

    def scores(self, case: Case, outputs: Any, activations: dict[str, Array]) -> Float[Array, " k"]:
        """Return how far the layer's values point along the image's."""
        along = Direction(layer=self.seen_by, vector=case.context, power=self.power)
        return jax.vmap(lambda value: along.score(None, {self.seen_by: value}))(activations[self.seen_by])


@dataclass(frozen=True, kw_only=True)
class Deepdream(Ascent):
    """Ascent on the mean of squares of a layer, from the image, in steps of one standard deviation.

    Octaves are views: the model is shown the image small first. The image itself keeps its size, so that its
    detail is never lost and never has to be put back.

    Raises (when built):
        ImageError: There is no image.

    Cost: steps forward and backward passes per image, up to the layer.
    Randomness: the shift of every step.
    Source: Mordvintsev, Olah, Tyka 2015, "Inceptionism" and its notebook `dream.ipynb`.
    """

    @classmethod
    def build(cls, config: DeepdreamConfig, model: Model, target: Target) -> "Deepdream":
        """Return the iteration for `model`."""
        if config.octaves > 1 and model.structure.one_space is not None:
            said = f"octaves shrink images, and {model.name} takes {model.structure.one_space.words}; say octaves=1"
            raise UsageError(said)
        octaves = (Octaves(config.octaves, config.octave_factor),) if config.octaves > 1 else ()
        recipe = Recipe(
            size=need_image(target, "deepdream"),
            steps=config.steps,
            parametrization=Pixel(),
            update=Rms(config.rate, 1.0, 1e-8),
            transforms=(*octaves, Jitter(config.jitter_px)),
            regularizers=(Clip(),) if model.structure.one_space is None else (),
            tap="layer",
        )
        return cls.of(recipe, model, target)


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

    def context(self, case: Case, given: Mapping[str, Array]) -> Any:
        """Return the image and the size of the score there."""
        image = given[IMAGE]
        outputs, activations = self.read(case, image)
        values = [activations[layer] for layer in case.target.layers] or [jnp.asarray(outputs)]
        size = jnp.sqrt(jnp.mean(jnp.square(values[0])))
        return {"image": image, "size": jnp.maximum(size, 1e-6)}

    def taken(self, case: Case, images: Float[Array, "k *axes c"]) -> Float[Array, " k"]:
        """Return the penalties and the distance from the image, in units of the score."""
        transforms, progress = self.recipe.transforms, self.progress(case)

        def one(image: Array, number: Array) -> Array:
            own = jax.random.fold_in(case.key, number)
            pair = (viewed(each, transforms, own, progress) for each in (image, case.context["image"]))
            changed_values, values = (seen(case.model, self.kept_in, {IMAGE: each}) for each in pair)
            whole = jnp.maximum(jnp.square(values).sum(), 1e-12)
            return jnp.square(changed_values - values).sum() / whole

        distance = jax.vmap(one)(images, jnp.arange(self.copies))
        return super().taken(case, images) + self.keep * case.context["size"] * distance
