"""Activation maximisation by gradient ascent (Erhan et al. 2009), and the class model (Simonyan et al. 2013)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import ClassScore, Diversity, Model, Target, TargetError, terms_of
from cnnviz_plugins.synthesize.ascent import Ascent, mean_colour
from cnnviz_plugins.synthesize.parametrizations import Pixel
from cnnviz_plugins.synthesize.placement import side
from cnnviz_plugins.synthesize.plugin import ActivationMaximizationConfig, ClassModelConfig
from cnnviz_plugins.synthesize.recipes import RECIPES, Recipe, changed
from cnnviz_plugins.synthesize.regularizers import L2
from cnnviz_plugins.synthesize.updates import Adam


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(Ascent):
    """Gradient ascent on an image by a recipe, any of whose parts may be another.

    Raises (when built):
        ModelError: The model cannot be run at the size that was asked for.
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
        recipe = changed(
            RECIPES[config.recipe],
            update=config.optimizer,
            **{name: getattr(config, name) for name in _OVERRIDES},
        )
        if config.copies == 1 and any(isinstance(plain, Diversity) for plain in terms_of(target)):
            raise TargetError("diversity compares the images of one group; say copies=2 or more")
        return cls.of(recipe, model, target, size=side(config.size), margin=config.margin, warmup=config.warmup,
                      copies=config.copies, notes=(("recipe", config.recipe),))  # fmt: skip


_OVERRIDES = ("steps", "parametrization", "transforms", "views", "regularizers", "display", "tap", "keep")
"""Fields of a recipe that the user may override under the same name."""


@dataclass(frozen=True, kw_only=True)
class ClassModel(Ascent):
    """argmax over images x of S_c(x) - weight * ||x - mean||^2, from the mean.

    The paper does not say how steps are taken; here it is by Adam.

    Raises (when built):
        TargetError: The target is no class.

    Cost: steps forward and backward passes per class, and two forward passes.
    Source: Simonyan, Vedaldi, Zisserman 2013, section 2.
    """

    @classmethod
    def build(cls, config: ClassModelConfig, model: Model, target: Target) -> "ClassModel":
        """Return the iteration for `model`."""
        if not all(isinstance(plain, ClassScore) for plain in terms_of(target)):
            raise TargetError("class-model maximises class scores; say target= with class indices")
        recipe = Recipe(
            size=model.input_shape[:2],
            steps=config.steps,
            parametrization=Pixel("zero", 0.0),
            update=Adam(config.rate),
            regularizers=(L2(config.penalty, mean_colour(model), squared=True),),
            tap="layer",
        )
        return cls.of(recipe, model, target, size=side(config.size))
