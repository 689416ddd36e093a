"""Class model: the image of highest class score that stays near the mean (Simonyan et al. 2013)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import ClassScore, Model, Target, TargetError, terms_of
from cnnviz_plugins.synthesize.ascent import Ascent, mean_colour
from cnnviz_plugins.synthesize.parametrizations import Pixel
from cnnviz_plugins.synthesize.placement import side
from cnnviz_plugins.synthesize.plugin import ClassModelConfig
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.regularizers import L2
from cnnviz_plugins.synthesize.updates import Adam


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
