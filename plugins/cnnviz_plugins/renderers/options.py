"""Display options: frozen dataclasses that say what a renderer understands, and the check of what was given."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from cnnviz_jax.plugin import UsageError, did_you_mean

Options = TypeVar("Options")

Policy = Literal["symmetric", "positive", "percentile", "full", "unit"]
"""`symmetric`: 0 in the middle. `positive`: from 0 up, negative values shown as 0. `percentile`: both ends cut.
`full`: lowest to highest value. `unit`: 0 to 1 as it is."""

Reduction = Literal["max_abs", "sum_abs", "signed_sum", "l2"]
"""How the channels of a pixel map become one number: largest |g|, sum of |g|, sum of g, Euclidean norm."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How a figure becomes a file, whatever it shows."""

    dpi: int = 150
    """Pixels per inch, of images inside SVG and PDF too."""


@dataclass(frozen=True, kw_only=True)
class FigureOptions:
    """What every figure can be told."""

    title: str = ""
    """In the place of the figure's own heading."""


@dataclass(frozen=True, kw_only=True)
class HeatOptions(FigureOptions):
    """How attributions are shown."""

    policy: Policy | Literal["auto"] = "auto"
    """Display policy; `auto` is symmetric where any value is negative, else from 0 up."""
    percentile: float = 99.0
    """Where the policies cut, in percent: above 50, at most 100."""
    reduction: Reduction = "max_abs"
    """How the channels of a pixel map become one number."""
    scale: Literal["own", "shared"] = "own"
    """Whether every map has its own colour scale or all share one."""
    colormap: str = "auto"
    """A matplotlib colour map, `zeiler-fergus`, or `auto` for one that fits the policy."""
    opacity: float = 0.65
    """Of the heatmap over the image, 0 to 1."""
    limit: int = 64
    """Most channel maps shown of one image."""


@dataclass(frozen=True, kw_only=True)
class FilterOptions(FigureOptions):
    """How kernels are shown."""

    view: Literal["auto", "colour", "channels"] = "auto"
    """`colour` draws a filter of three input channels as an image; `channels` one tile per input channel."""
    norm: Literal["unit", "raw"] = "unit"
    """`unit` shows w / ||w||, the unit-norm patch that fires the filter most; `raw` shows w."""
    scale: Literal["own", "shared"] = "shared"
    """Whether every filter has its own scale or all share one."""
    limit: int = 96
    """Most filters shown."""
    inputs: int = 16
    """Most input channels shown of a filter in the `channels` view."""


@dataclass(frozen=True, kw_only=True)
class FieldOptions(FigureOptions):
    """How receptive fields are shown."""

    limit: int = 40
    """Most layers listed."""


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(FigureOptions):
    """How measures and comparisons are shown."""

    limit: int = 64
    """Most images of a measure, or techniques of a comparison, shown."""


@dataclass(frozen=True, kw_only=True)
class DifferenceOptions(FigureOptions):
    """How networks compared are shown."""

    limit: int = 28
    """Most layers whose units are drawn."""
    columns: int = 6
    """Most changed images shown."""


@dataclass(frozen=True, kw_only=True)
class InterventionOptions(FigureOptions):
    """How interventions are shown."""

    limit: int = 24
    """Most bars or maps of one image, and most images."""
    opacity: float = 0.65
    """Of a map over the image, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions(FigureOptions):
    """How synthesised images are shown."""

    view: Literal["grid", "curves"] = "grid"
    """The images, or the objective over the steps."""
    limit: int = 100
    """Most images or curves shown."""


@dataclass(frozen=True, kw_only=True)
class UnitOptions(FigureOptions):
    """How results about units are shown."""

    limit: int = 24
    """Most units drawn."""
    columns: int = 9
    """Most images per unit."""


@dataclass(frozen=True, kw_only=True)
class EvolutionOptions(FigureOptions):
    """How a training is shown."""

    limit: int = 8
    """Most filters drawn, half as many above synthesised units; most of these."""
    columns: int = 8
    """Most steps in the strip."""
    extent: float = 2.0
    """Half the width of the square in which decision lines are drawn."""
    frame_ms: int = 250
    """How long a frame of the animation stays."""


@dataclass(frozen=True, kw_only=True)
class HtmlOptions(HeatOptions):
    """How the page is shown; `limit` is also that of filters and synthesised images."""


BY_RESULT: dict[str, type[FigureOptions]] = {
    **dict.fromkeys(("Attribution", "Report"), HeatOptions),
    **dict.fromkeys(("Comparison", "Measurement", "Recommendation"), MeasureOptions),
    **dict.fromkeys(("Difference", "Drift"), DifferenceOptions),
    **dict.fromkeys(
        ("Convolution", "Dissection", "Distributions", "EffectiveReceptiveField", "Exemplars", "FeatureImportance",
         "FilterMatch", "FilterVariety", "Shortcuts", "UnitNames"),
        UnitOptions,
    ),
    "Dictionary": FigureOptions,
    "Evolution": EvolutionOptions,
    "FilterBank": FilterOptions,
    "Intervention": InterventionOptions,
    "ReceptiveFields": FieldOptions,
    "Synthesis": SynthesisOptions,
}  # fmt: skip
"""By class of result, what its figure can be told."""


def display(kind: str) -> tuple[type, ...]:
    """Return the dataclasses of what the figure of a class of results, and its file, can be told."""
    return (BY_RESULT[kind], FileOptions)


def parse(kind: type[Options], display: dict[str, Any]) -> Options:
    """Return the options with every name and value checked.

    Raises:
        UsageError: A name is unknown or a value is not one that the option can take.
    """
    hints = typing.get_type_hints(kind)
    for name, value in display.items():
        if name not in hints:
            raise UsageError(
                f"no display option {name!r} here.{did_you_mean(name, hints)} There are {', '.join(hints)}"
            )
        _check(name, value, hints[name])
    # A whole number is fine where a fraction is meant.
    options = kind(**{name: float(v) if hints[name] is float else v for name, v in display.items()})
    for name, low, high in (
        ("opacity", 0, 1),
        ("limit", 1, 4096),
        ("inputs", 1, 4096),
        ("columns", 1, 64),
        ("extent", 1e-6, 1e6),
        ("frame_ms", 20, 10_000),
        ("dpi", 30, 1200),
    ):
        value = getattr(options, name, low)
        if not low <= value <= high:
            raise UsageError(f"{name} is {value:g}; it must lie from {low} to {high}")
    return options


def _check(name: str, value: Any, hint: Any) -> None:
    choices = [choice for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is Literal
               for choice in typing.get_args(part)]  # fmt: skip
    if choices:
        if value not in choices:
            raise UsageError(
                f"{name} is {value!r}; it must be one of {', '.join(map(str, choices))}."
                f"{did_you_mean(str(value), choices)}".rstrip(".")
            )
        return
    kinds: Any = {int: int, float: (int, float), str: str}.get(hint, hint)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise UsageError(f"{name} is {value!r}; it must be {'a text' if hint is str else 'a number'}")
