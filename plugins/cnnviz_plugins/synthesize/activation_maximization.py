"""Activation maximisation: an image raised by gradient ascent until it excites a unit most (Erhan et al. 2009)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import Diversity, Model, Target, TargetError, terms_of
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.placement import side
from cnnviz_plugins.synthesize.plugin import ActivationMaximizationConfig
from cnnviz_plugins.synthesize.recipes import RECIPES, Recipe, changed


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(Ascent):
    """Gradient ascent on an image by a recipe, any of whose parts may be another.

    Raises (when built):
        ModelError: The model cannot be run at the size size that was asked for.
        UsageError: A part does not exist, or does not go with another.
        TargetError: Diversity is asked for of single images.

    Cost: steps x views forward and backward passes per image and two forward passes, up to the layer; one
    compilation per layer.
    Randomness: start and views, from the key of (seed, layer, channel).
    Source: Erhan, Bengio, Courville, Vincent 2009, section 3.1; recipes name their own.
    """

    @classmethod
    def build(cls, config: ActivationMaximizationConfig, model: Model, target: Target) -> "ActivationMaximization":
        """Return the iteration for `model`."""
        recipe = recipe_of(config)
        if config.copies == 1 and any(isinstance(plain, Diversity) for plain in terms_of(target)):
            raise TargetError("diversity compares the images of one group; say copies=2 or more")
        return cls.of(recipe, model, target, size=side(config.size), margin=config.margin, warmup=config.warmup,
                      copies=config.copies, notes=(("recipe", config.recipe),))  # fmt: skip


def recipe_of(config: ActivationMaximizationConfig) -> Recipe:
    """Return the recipe with the parts that the config names in place of its own."""
    return changed(
        RECIPES[config.recipe],
        steps=config.steps,
        parametrization=config.parametrization,
        transforms=config.transforms,
        views=config.views,
        regularizers=config.regularizers,
        update=config.optimizer,
        display=config.display,
        tap=config.tap,
        keep=config.keep,
    )
