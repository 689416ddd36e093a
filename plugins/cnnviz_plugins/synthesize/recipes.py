"""Recipes: published sets of start, steps, update rule, views, constraints and display, each a frozen dataclass."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnviz_jax.plugin import UsageError
from cnnviz_plugins.synthesize.maco import MacoPhase
from cnnviz_plugins.synthesize.parametrizations import Fourier, LaplacianPyramid, Parametrization, Pixel
from cnnviz_plugins.synthesize.parts import part, parts
from cnnviz_plugins.synthesize.regularizers import (
    REGULARIZERS,
    BlurEvery,
    Clip,
    ClipContribution,
    ClipNorm,
    Constraint,
    Decay,
    Penalty,
)
from cnnviz_plugins.synthesize.transforms import TRANSFORMS, Changing, Crop, Jitter, Moving, Noise, Pad, Rotate, Scale
from cnnviz_plugins.synthesize.updates import UPDATES, Adam, Nadam, Progress, Rms, UnitNorm, Update


@runtime_checkable
class Display(Protocol):
    """From the image as it is to the image as it is shown."""

    def shown(self, image: Float[Array, "*axes c"]) -> Float[Array, "*sides c"]:
        """Return an image in [0, 1]; a series or volume in its own units, or in [0, 1]."""


@dataclass(frozen=True)
class AsIs:
    """Nothing is changed but that values of an image stay in [0, 1]."""

    def shown(self, image: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
        """Return it clipped; a series or volume as it is."""
        return jnp.clip(image, 0, 1) if image.ndim == 3 else image


@dataclass(frozen=True)
class Standardized:
    """Centred, with a standard deviation of `sd`, around 0.5, clipped; then `crop_px` are cut off every side.

    Source: `deprocess_image` of the two Keras scripts; epsilon is theirs, in units of `span`.
    """

    sd: float = 0.1
    crop_px: int = 0
    """Cut from every side, before the clipping; of a small image at most a quarter."""
    span: float = 255.0
    epsilon: float = 1e-5

    def shown(self, image: Float[Array, "*axes c"]) -> Float[Array, "*sides c"]:
        """Return it standardised."""
        centred = (image - image.mean()) * self.span
        scaled = centred / (centred.std() + self.epsilon) * self.sd + 0.5
        inside = (slice(cut := min(self.crop_px, side // 4), side - cut) for side in image.shape[:-1])
        return jnp.clip(scaled[tuple(inside)], 0, 1)


@dataclass(frozen=True)
class Stretched:
    """Its mean colour becomes grey, and the value farthest from it black or white.

    Source: `norm01c` of the toolbox of Yosinski et al. 2015, by which it shows what it found.
    """

    def shown(self, image: Float[Array, "*axes c"]) -> Float[Array, "*axes c"]:
        """Return it stretched; a plain image is grey."""
        centred = image - image.mean(tuple(range(image.ndim - 1)))
        return 0.5 + 0.5 * centred / jnp.maximum(jnp.abs(centred).max(), 1e-12)


DISPLAYS: dict[str, type] = {"as-is": AsIs, "standardized": Standardized, "stretched": Stretched}
"""The built-in displays by name."""


Tap = Literal["before", "after", "layer"]
Keep = Literal["last", "best"]

PARAMETRIZATIONS: dict[str, type] = {
    "pixel": Pixel, "fourier": Fourier, "laplacian": LaplacianPyramid, "maco": MacoPhase,
}  # fmt: skip
"""The built-in parametrisations by name."""


_LARGEST_PX = 128  # as Lucid's: beyond it an image shows more of the same texture and costs more
_FOURIER, _ADAM, _AS_IS = Fourier(), Adam(), AsIs()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a synthesised image but the model, the target and the key."""

    size: tuple[int, int] | None = (128, 128)
    """Height and width in pixels; `None` for those of the model's own images, at most 128 each."""
    steps: int = 512
    """Steps of ascent."""
    parametrization: Parametrization = _FOURIER
    """What is optimised in place of pixels, and its start."""
    update: Update = _ADAM
    """The rule of a step."""
    transforms: tuple[Any, ...] = ()
    """Random views of the image, in order."""
    views: int = 1
    """Views per step, averaged."""
    regularizers: tuple[Any, ...] = ()
    """Penalties and constraints, in order."""
    display: Display = _AS_IS
    """How the finished image is shown."""
    tap: Tap = "before"
    """Whether a unit is read before the ReLU or after it, where the layer has one next to it."""
    border: int = 0
    """Positions of a channel's map left out at every side."""
    keep: Keep = "last"
    """Which image is the result: the last or the best so far."""
    transparency: bool = False
    """Whether the absolute gradient of the image is added up over the steps."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.views < 1:
            raise UsageError(f"steps and views are at least 1, got {self.steps} and {self.views}")
        for made, sort, kinds in (
            ((self.parametrization,), "parametrization", Parametrization),
            ((self.update,), "optimizer", Update),
            (self.transforms, "transform", (Moving, Changing, Pad)),
            (self.regularizers, "regularizer", (Penalty, Constraint)),
            ((self.display,), "display", Display),
        ):
            for each in made:
                if not isinstance(each, kinds):
                    raise UsageError(f"{each!r} is no {sort}: it lacks the methods of one")
        bound = [type(each).__name__ for each in self.regularizers if isinstance(each, Constraint)]
        if bound and not isinstance(self.parametrization, Pixel):
            raise UsageError(f"{', '.join(bound)} change pixels after each step and need parametrization pixel(...)")

    @property
    def penalties(self) -> tuple[Any, ...]:
        """What is taken from the objective."""
        return tuple(each for each in self.regularizers if isinstance(each, Penalty))

    @property
    def constraints(self) -> tuple[Any, ...]:
        """What is applied after a step."""
        return tuple(each for each in self.regularizers if isinstance(each, Constraint))

    def size_for(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width of an image for a model whose images are (h, w, c)."""
        height, width = input_shape[:2]
        return self.size or (min(height, _LARGEST_PX), min(width, _LARGEST_PX))

    @property
    def reach_px(self) -> int:
        """By how many pixels views may wander."""
        return sum(each.reach_px for each in self.transforms if isinstance(each, Moving))


_YOSINSKI = Recipe(
    size=(227, 227),
    parametrization=Pixel("normal", 10.0, None, 255.0, 0.0),
    update=Progress(2.0, 1e8, 255.0),
    display=Stretched(),
    keep="best",
)  # the start is the data's mean plus N(0, 10), and the image shown is the best so far

RECIPES: dict[str, Recipe] = {
    # Of this project: Lucid's image and its first transform, in few and large steps, for a first look. On `shapes`,
    # 128 steps at rate 0.3 bring as many units above their most over the data set as Lucid's 512 at 0.05 (64 steps: 11
    # of 16 of conv4); with its rotations and scales they do not.
    "quick": Recipe(
        size=None, steps=128, parametrization=Fourier(0.01, 1.0), update=Adam(0.3), transforms=(Jitter(4),)
    ),
    # Chollet 2016, "How convolutional neural networks see the world", The Keras Blog, conv_filter_visualization.py.
    "chollet2016": Recipe(
        size=(128, 128),
        steps=20,
        parametrization=Pixel("uniform", 20.0, 128.0, 255.0, 0.0),
        update=Rms(1.0, 255.0, 1e-5),
        display=Standardized(0.1, 0, 255.0, 1e-5),
        tap="after",
    ),
    # Chollet 2020, keras.io/examples/vision/visualizing_what_convnets_learn; its images are in -1..1.
    "keras2020": Recipe(
        size=(180, 180),
        steps=30,
        parametrization=Pixel("uniform", 0.25, 0.0, 2.0, -1.0),
        update=UnitNorm(10.0, 2.0),
        display=Standardized(0.15, 25, 2.0, 1e-5),
        tap="after",
        border=2,
    ),
    # Yosinski et al. 2015, arXiv 1506.06579, table 1. It gives no rates. Those of the toolbox's examples suit a network
    # fed with 0..255 and are capped at 100 in all but the last; its rule without that cap suits any network.
    "yosinski1": dataclasses.replace(_YOSINSKI, steps=500, regularizers=(BlurEvery(0.5, 4), ClipNorm(50.0), Clip())),
    "yosinski2": dataclasses.replace(_YOSINSKI, steps=750, regularizers=(Decay(0.3), ClipNorm(20.0), Clip())),
    "yosinski3": dataclasses.replace(_YOSINSKI, steps=1000, regularizers=(Decay(0.0001), BlurEvery(1.0, 4), Clip())),
    "yosinski4": dataclasses.replace(
        _YOSINSKI, steps=1000, regularizers=(BlurEvery(0.5, 4), ClipContribution(90.0), Clip())
    ),
    # Olah, Mordvintsev, Schubert 2017, "Feature Visualization", Distill; Lucid, optvis/render.py and transform.py.
    "lucid": Recipe(
        size=(128, 128),
        steps=512,
        parametrization=Fourier(0.01, 1.0),
        update=Adam(0.05),
        transforms=(Pad(12, 0.5), Jitter(8), Scale(0.9, 1.1), Rotate(-10.0, 10.0), Jitter(4)),
    ),
    # Fel et al. 2023, arXiv 2306.06805; Xplique, features_visualizations/maco.py; noise on a scale of -1..1.
    "maco": Recipe(
        size=(128, 128),
        steps=256,
        parametrization=MacoPhase(1.2),
        update=Nadam(1.0),
        transforms=(Crop(0.5, 0.05), Noise(0.08, 2.0)),
        views=32,
        transparency=True,
    ),
}
"""The recipes by name."""


def changed(recipe: Recipe, **said: Any) -> Recipe:
    """Return a recipe with what the user said in place of its own; `None` leaves it.

    Args:
        recipe: The published one.
        **said: Values of its fields; parts as text, such as `transforms="jitter(8)"`.

    Raises:
        UsageError: A part does not exist, or does not go with another.
    """
    known: dict[str, dict[str, type]] = {
        "parametrization": PARAMETRIZATIONS, "update": UPDATES, "transforms": TRANSFORMS, "regularizers": REGULARIZERS,
        "display": DISPLAYS,
    }  # fmt: skip
    values: dict[str, Any] = {}
    for name, value in said.items():
        if value is None:
            continue
        if name in ("transforms", "regularizers"):
            value = parts(value, name.removesuffix("s"), known[name])
        elif name in known:
            value = part(value, {"update": "optimizer"}.get(name, name), known[name])
        values[name] = value
    return dataclasses.replace(recipe, **values)
