"""Synthesis: images that excite a unit most, or that a network cannot tell from a given one."""

from collections.abc import Iterable
from typing import Literal

from cnnviz_jax.plugin import (
    RendererSpec,
    check_at_least,
    check_positive,
    check_size,
    hookimpl,
    technique,
    techniques_hook,
)

RecipeName = Literal[
    "quick", "chollet2016", "keras2020", "yosinski1", "yosinski2", "yosinski3", "yosinski4", "lucid", "maco"
]


@technique("activation-maximization", "synthesize", ".activation_maximization:ActivationMaximization.build",
           "Erhan et al. 2009, Visualizing Higher-Layer Features",
           "Olah et al. 2017, Feature Visualization, Distill")  # fmt: skip
class ActivationMaximizationConfig:
    """An image raised by gradient ascent until it excites a unit most."""

    recipe: RecipeName = "quick"
    """A set of start, steps, update, views, regularisers and display: `quick` for a first look, the others as
    published."""
    size: int | tuple[int, int] | None = None
    """Height and width of the image in pixels. When not given: the receptive field for a neuron, the image's size
    where there is one to start from, else the recipe's own, or the model's input size where the model takes no other
    (the result says so)."""
    steps: int | None = None
    """Steps of ascent; the recipe's own when not given."""
    parametrization: str | None = None
    """What is optimised: `pixel(...)`, `fourier(sd, decay)`, `laplacian(levels)`, `maco(power)`, or
    `package.module:Class(...)`; the recipe's own when not given."""
    transforms: str | None = None
    """Random views in order, such as `pad(12, 0.5), jitter(8), scale(0.9, 1.1), rotate(-10, 10), flip, blur(1),
    noise(0.05)`; `none` for none; the recipe's own when not given."""
    views: int | None = None
    """Views per step, averaged; the recipe's own when not given."""
    regularizers: str | None = None
    """Penalties such as `l1(0.001), l2(0.001), total-variation(0.001), blur(0.001), border(0.001)` and constraints such
    as `clip, decay(0.01), blur-every(0.5, 4), clip-norm(50), clip-contribution(90)`; the recipe's own when not
    given."""
    optimizer: str | None = None
    """Update rule: `adam(0.05)`, `nadam(1)`, `gradient(rate, span, momentum)`, `rms`, `unit-norm`, `progress`; the
    recipe's own when not given."""
    display: str | None = None
    """`as-is`, `standardized(sd, crop_px)` or `stretched`; the recipe's own when not given."""
    tap: Literal["before", "after", "layer"] | None = None
    """Read a unit before the ReLU next to its layer, after it, or at the layer as named; the recipe's own when not
    given."""
    keep: Literal["last", "best"] | None = None
    """Whether the result is the last image or the best so far; the recipe's own when not given."""
    margin: int | None = None
    """Pixels around a neuron's receptive field; as far as the views wander when not given."""
    warmup: int | None = None
    """First steps with leaking ReLUs; when not given, an eighth of the steps where a ReLU cannot be gone round."""
    copies: int = 1
    """Images made together for each target; an objective may then include diversity."""

    def __post_init__(self) -> None:
        check_size("size", self.size)
        check_at_least(1, steps=self.steps, views=self.views, copies=self.copies)
        check_at_least(0, margin=self.margin, warmup=self.warmup)


@technique("class-model", "synthesize", ".activation_maximization:ClassModel.build",
           "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034, section 2", subject="classes",
           in_report=False)  # fmt: skip
class ClassModelConfig:
    """The image of highest class score that stays near the mean."""

    penalty: float = 1e-3
    """Weight of the squared distance from the mean colour, in [0, 1] units."""
    steps: int = 500
    """Steps of ascent."""
    rate: float = 0.01
    """Rate of the steps: gradient times rate."""
    size: int | tuple[int, int] | None = None
    """Height and width in pixels; the model's own when not given."""

    def __post_init__(self) -> None:
        check_size("size", self.size)
        check_positive(steps=self.steps, rate=self.rate)


@technique("inversion", "synthesize", ".inversion:Inversion.build",
           "Mahendran, Vedaldi 2015, arXiv:1412.0035", subject="images", in_report=False)  # fmt: skip
class InversionConfig:
    """An image that a layer cannot tell from the given one."""

    layer: str
    """The layer whose values are to be met again."""
    steps: int = 400
    """Steps."""
    rate: float = 0.02
    """Rate of Adam."""
    alpha: float = 6.0
    """Power of the norm that keeps intensities in range."""
    alpha_weight: float = 1e-3
    """Its weight, per pixel."""
    beta: float = 2.0
    """Power of the total variation."""
    beta_weight: float = 1e-2
    """Its weight, per pixel."""

    def __post_init__(self) -> None:
        check_positive(steps=self.steps, rate=self.rate, alpha=self.alpha, beta=self.beta)


@technique("caricature", "synthesize", ".from_images:Caricature.build",
           "Olah et al. 2018, The Building Blocks of Interpretability, Distill; Lucid, caricatures", subject="images",
           in_report=False)  # fmt: skip
class CaricatureConfig:
    """What a layer sees in an image, exaggerated."""

    layer: str
    """The layer whose values are to be exceeded in their own direction."""
    power: float = 1.0
    """How much the angle counts beside the length."""
    steps: int = 256
    """Steps of ascent."""
    rate: float = 0.05
    """Rate of Adam."""
    transforms: str = "pad(12, 0.5), jitter(8), scale(0.9, 1.1), rotate(-10, 10), jitter(4)"
    """Random views, as in `activation-maximization`."""

    def __post_init__(self) -> None:
        check_positive(steps=self.steps, rate=self.rate)


@technique("deepdream", "synthesize", ".from_images:Deepdream.build",
           "Mordvintsev, Olah, Tyka 2015, Inceptionism", subject="images", in_report=False)  # fmt: skip
class DeepdreamConfig:
    """An image in which whatever a layer sees is raised."""

    layer: str
    """The layer whose mean of squares is raised."""
    steps: int = 60
    """Steps of ascent, all octaves together."""
    rate: float = 0.01
    """Standard deviation of a step, in [0, 1] units."""
    octaves: int = 3
    """The image is shown small first and larger octave by octave."""
    octave_factor: float = 1.4
    """By how much."""
    jitter_px: int = 16
    """Random shift of every step's view."""

    def __post_init__(self) -> None:
        check_positive(steps=self.steps, rate=self.rate, octaves=self.octaves, octave_factor=self.octave_factor)


@technique("accentuation", "synthesize", ".from_images:Accentuation.build",
           "Hamblin et al. 2024, Feature Accentuation, arXiv:2402.10039", subject="images",
           in_report=False)  # fmt: skip
class AccentuationConfig:
    """An image changed so that a unit fires more, and otherwise kept."""

    keep: float = 1.0
    """Weight of the relative squared distance, in `keep_layer`, from the image; 0 keeps nothing."""
    keep_layer: str | None = None
    """Where the image is to stay alike; the first map when not given."""
    steps: int = 128
    """Steps of ascent."""
    rate: float = 0.02
    """Rate of Adam."""
    transforms: str = "jitter(8), scale(0.95, 1.05)"
    """Random views, as in `activation-maximization`."""

    def __post_init__(self) -> None:
        check_positive(steps=self.steps, rate=self.rate)


@technique("adversarial", "synthesize", ".adversarial:Adversarial.build",
           "Moosavi-Dezfooli, Fawzi, Frossard 2016, DeepFool, arXiv:1511.04599", subject="images",
           in_report=False)  # fmt: skip
class AdversarialConfig:
    """The least change of an image that makes it another class: an attack, not an explanation."""

    steps: int = 50
    """Steps towards the class at most."""
    overshoot: float = 0.02
    """By what share each step goes past the boundary it aims at."""

    def __post_init__(self) -> None:
        check_positive(steps=self.steps, overshoot=self.overshoot)


cnnviz_techniques = techniques_hook(__name__)


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the stitched grid, the moving image and the numbers of a synthesis."""
    for name, suffix, render, summary in (
        ("grid", ".webp", "grid", "synthesised images stitched pixel by pixel, with margins"),
        ("ascent", ".gif", "animation", "the ascent of synthesised images as a moving grid"),
        ("numbers", ".json", "numbers", "every number of a synthesis but the images"),
    ):
        file = f"cnnviz_plugins.synthesize.files:{render}"
        yield RendererSpec(name=name, summary=summary, accepts=("Synthesis",), suffixes=(suffix,), render=file)
