"""Synthesis: pictures that excite a unit most, or that a network cannot tell from a given one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.errors import UsageError
from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import RendererSpec, TechniqueSpec

RecipeName = Literal["chollet2016", "keras2020", "yosinski1", "yosinski2", "yosinski3", "yosinski4", "lucid", "maco"]


@dataclass(frozen=True, kw_only=True)
class ActivationMaximizationConfig:
    """Which recipe, on what canvas, and what to do otherwise."""

    recipe: RecipeName = "chollet2016"
    """A published set of start, steps, update, views, regularisers and display."""
    size: int | tuple[int, int] | None = None
    """Height and width of the canvas in pixels. When not given: the receptive field for a neuron, the picture's size
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
    """`as-is` or `standardized(sd, crop_px)`; the recipe's own when not given."""
    tap: Literal["before", "after", "layer"] | None = None
    """Read a unit before the ReLU next to its layer, after it, or at the layer as named; the recipe's own when not
    given."""
    keep: Literal["last", "best"] | None = None
    """Whether the result is the last picture or the best so far; the recipe's own when not given."""
    margin: int | None = None
    """Pixels around a neuron's receptive field; as far as the views wander when not given."""
    warmup: int | None = None
    """First steps with leaking ReLUs; when not given, an eighth of the steps where a ReLU cannot be gone round."""
    copies: int = 1
    """Pictures made together for each target; an objective may then include diversity."""

    def __post_init__(self) -> None:
        check_size(self.size)
        for name, least in (("steps", 1), ("views", 1), ("margin", 0), ("warmup", 0), ("copies", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is at least {least}, got {value}")


@dataclass(frozen=True, kw_only=True)
class ClassModelConfig:
    """How strongly the picture is kept near the mean, and how long it climbs."""

    penalty: float = 1e-3
    """Weight of the squared distance from the mean colour, in [0, 1] units."""
    steps: int = 500
    """Steps of ascent."""
    rate: float = 0.01
    """Rate of the steps: gradient times rate."""
    size: int | tuple[int, int] | None = None
    """Height and width in pixels; the model's own when not given."""

    def __post_init__(self) -> None:
        check_size(self.size)
        _check_positive(steps=self.steps, rate=self.rate)


@dataclass(frozen=True, kw_only=True)
class InversionConfig:
    """Which layer is inverted, and how natural the picture must be."""

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
        _check_positive(steps=self.steps, rate=self.rate, alpha=self.alpha, beta=self.beta)


@dataclass(frozen=True, kw_only=True)
class CaricatureConfig:
    """Which layer's view of the picture is exaggerated."""

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
        _check_positive(steps=self.steps, rate=self.rate)


@dataclass(frozen=True, kw_only=True)
class DeepdreamConfig:
    """Which layer dreams, and over how many octaves."""

    layer: str
    """The layer whose mean of squares is raised."""
    steps: int = 60
    """Steps of ascent, all octaves together."""
    rate: float = 0.01
    """Standard deviation of a step, in [0, 1] units."""
    octaves: int = 3
    """The picture is shown small first and larger octave by octave."""
    octave_factor: float = 1.4
    """By how much."""
    jitter_px: int = 16
    """Random shift of every step's view."""

    def __post_init__(self) -> None:
        _check_positive(steps=self.steps, rate=self.rate, octaves=self.octaves, octave_factor=self.octave_factor)


@dataclass(frozen=True, kw_only=True)
class AccentuationConfig:
    """How much of the picture is kept while a unit is raised."""

    keep: float = 1.0
    """Weight of the relative squared distance, in `keep_layer`, from the picture; 0 keeps nothing."""
    keep_layer: str | None = None
    """Where the picture is to stay alike; the first map when not given."""
    steps: int = 128
    """Steps of ascent."""
    rate: float = 0.02
    """Rate of Adam."""
    transforms: str = "jitter(8), scale(0.95, 1.05)"
    """Random views, as in `activation-maximization`."""

    def __post_init__(self) -> None:
        _check_positive(steps=self.steps, rate=self.rate)


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """How far a small change may go before the search gives up."""

    steps: int = 50
    """Steps towards the class at most."""
    overshoot: float = 0.02
    """By what share each step goes past the boundary it aims at."""

    def __post_init__(self) -> None:
        _check_positive(steps=self.steps, overshoot=self.overshoot)


def check_size(size: object) -> None:
    """Raise `UsageError` unless `size` is `None` or one or two positive whole numbers."""
    sizes = size if isinstance(size, tuple) else (size,)
    if size is not None and (len(sizes) not in (1, 2) or any(not isinstance(n, int) or n < 1 for n in sizes)):
        raise UsageError(f"size is one or two positive whole numbers of pixels, got {size!r}")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"{name} is positive, got {value}")


_TECHNIQUES: tuple[tuple[str, str, type, str, tuple[str, ...]], ...] = (
    (
        "activation-maximization",
        "a picture raised by gradient ascent until it excites a unit most",
        ActivationMaximizationConfig,
        "activation_maximization:ActivationMaximization",
        ("Erhan et al. 2009, Visualizing Higher-Layer Features", "Olah et al. 2017, Feature Visualization, Distill"),
    ),
    (
        "class-model",
        "the picture of highest class score that stays near the mean",
        ClassModelConfig,
        "class_model:ClassModel",
        ("Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034, section 2",),
    ),
    (
        "inversion",
        "a picture that a layer cannot tell from the given one",
        InversionConfig,
        "inversion:Inversion",
        ("Mahendran, Vedaldi 2015, arXiv:1412.0035",),
    ),
    (
        "caricature",
        "what a layer sees in a picture, exaggerated",
        CaricatureConfig,
        "caricature:Caricature",
        ("Olah et al. 2018, The Building Blocks of Interpretability, Distill; Lucid, caricatures",),
    ),
    (
        "deepdream",
        "a picture in which whatever a layer sees is raised",
        DeepdreamConfig,
        "deepdream:Deepdream",
        ("Mordvintsev, Olah, Tyka 2015, Inceptionism",),
    ),
    (
        "accentuation",
        "a picture changed so that a unit fires more, and otherwise kept",
        AccentuationConfig,
        "accentuation:Accentuation",
        ("Hamblin et al. 2024, Feature Accentuation, arXiv:2402.10039",),
    ),
    (
        "adversarial",
        "the least change of a picture that makes it another class: an attack, not an explanation",
        AdversarialConfig,
        "adversarial:Adversarial",
        ("Moosavi-Dezfooli, Fawzi, Frossard 2016, DeepFool, arXiv:1511.04599",),
    ),
)


_IN_REPORT = frozenset({"activation-maximization"})
"""The techniques that a page shows unasked; the others are close variants or take long."""


_SUBJECTS: dict[str, Literal["units", "classes", "pictures"]] = {
    "activation-maximization": "units", "class-model": "classes",
}  # fmt: skip


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the synthesis techniques."""
    for name, summary, config, build, references in _TECHNIQUES:
        yield TechniqueSpec(
            name=name,
            kind="synthesize",
            summary=summary,
            in_report=name in _IN_REPORT,
            config=config,
            build=f"cnnviz_plugins.synthesize.{build}.build",
            subject=_SUBJECTS.get(name, "pictures"),
            references=references,
        )


@hookimpl
def cnnviz_renderers() -> Iterable[RendererSpec]:
    """Yield the stitched grid, the moving picture and the numbers of a synthesis."""
    here = "cnnviz_plugins.synthesize.files"
    yield RendererSpec(
        name="grid",
        summary="synthesised pictures stitched pixel by pixel, with margins",
        accepts=("Synthesis",),
        suffixes=(".webp",),
        render=f"{here}:grid",
    )
    yield RendererSpec(
        name="ascent",
        summary="the ascent of synthesised pictures as a moving grid",
        accepts=("Synthesis",),
        suffixes=(".gif",),
        render=f"{here}:animation",
    )
    yield RendererSpec(
        name="numbers",
        summary="every number of a synthesis but the pictures",
        accepts=("Synthesis",),
        suffixes=(".json",),
        render=f"{here}:numbers",
    )
