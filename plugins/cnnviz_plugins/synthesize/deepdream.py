"""DeepDream: an image in which whatever a layer sees is raised (Mordvintsev et al. 2015)."""

from dataclasses import dataclass

from cnnviz_jax.plugin import Model, Target
from cnnviz_plugins.synthesize.ascent import Ascent
from cnnviz_plugins.synthesize.parametrizations import Pixel
from cnnviz_plugins.synthesize.placement import need_image
from cnnviz_plugins.synthesize.plugin import DeepdreamConfig
from cnnviz_plugins.synthesize.recipes import Recipe
from cnnviz_plugins.synthesize.regularizers import Clip
from cnnviz_plugins.synthesize.transforms import Jitter, Octaves
from cnnviz_plugins.synthesize.updates import Rms


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
        recipe = Recipe(
            size=need_image(target, "deepdream"),
            steps=config.steps,
            parametrization=Pixel(),
            update=Rms(config.rate, 1.0, 1e-8),
            transforms=(Octaves(config.octaves, config.octave_factor), Jitter(config.jitter_px)),
            regularizers=(Clip(),),
            tap="layer",
        )
        return cls.of(recipe, model, target)
