"""The `figure` renderer: results as matplotlib figures, written as PNG, SVG or PDF.

Only matplotlib's object interface is used: no pyplot, no window, no lasting change of settings. The
same result gives the same bytes: no dates, no random identifiers, no influence of a matplotlibrc.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution, RenderError
from cnnviz_plugins.renderers.figures.attribution import attribution_figure
from cnnviz_plugins.renderers.figures.convolution import convolution_figure
from cnnviz_plugins.renderers.figures.dictionary import dictionary_figure
from cnnviz_plugins.renderers.figures.difference import difference_figure
from cnnviz_plugins.renderers.figures.dissection import dissection_figure
from cnnviz_plugins.renderers.figures.distributions import distributions_figure
from cnnviz_plugins.renderers.figures.drift import drift_figure
from cnnviz_plugins.renderers.figures.evolution import evolution_figure
from cnnviz_plugins.renderers.figures.exemplars import exemplars_figure
from cnnviz_plugins.renderers.figures.fields import fields_figure, path_figure
from cnnviz_plugins.renderers.figures.filters import filters_figure
from cnnviz_plugins.renderers.figures.importance import importance_figure
from cnnviz_plugins.renderers.figures.intervention import intervention_figure
from cnnviz_plugins.renderers.figures.layer import effective_field_figure, match_figure, variety_figure
from cnnviz_plugins.renderers.figures.maps import maps_figure
from cnnviz_plugins.renderers.figures.measurement import comparison_figure, measurement_figure
from cnnviz_plugins.renderers.figures.naming import names_figure
from cnnviz_plugins.renderers.figures.other_inputs import other_inputs_figure
from cnnviz_plugins.renderers.figures.recommendation import recommendation_figure
from cnnviz_plugins.renderers.figures.sheet import CAPTION, HEADING, entitle, pinned_style, save
from cnnviz_plugins.renderers.figures.shortcuts import shortcuts_figure
from cnnviz_plugins.renderers.figures.side_by_side import report_figure, side_by_side
from cnnviz_plugins.renderers.figures.synthesis import curves_figure, synthesis_figure
from cnnviz_plugins.renderers.figures.units import units_figure
from cnnviz_plugins.renderers.options import (
    BY_RESULT,
    FieldOptions,
    FigureOptions,
    FileOptions,
    HeatOptions,
    SynthesisOptions,
    parse,
)


def render(result: Any, path: Path, *, dpi: int = FileOptions.dpi, **display: Any) -> None:
    """Write the result's figure to `path`; its suffix says whether as PNG, SVG or PDF.

    Args:
        result: Any result, or several attributions of the same images.
        path: The file to write.
        dpi: Pixels per inch of a PNG, and of images inside SVG and PDF.
        **display: The display options of that kind of result; see `options`.

    Raises:
        RenderError: The result is of another kind or holds values that are not finite.
        UsageError: An option is unknown or out of range.
    """
    parse(FileOptions, {"dpi": dpi})
    with pinned_style():
        save(figure(result, **display), path, dpi=dpi)


def figure(result: Any, **display: Any) -> Figure:
    """Return the figure of a result, to be changed or shown by the caller.

    Raises:
        RenderError: The result is of a kind that has no figure, or holds values that are not finite.
        UsageError: An option is unknown or out of range.
    """
    draw, kind = _drawing(result)
    options = parse(kind, display)
    with pinned_style():
        drawn = draw(result, options)
        if options.title:
            entitle(drawn, options.title)
        return drawn


def words_of(figure: Figure) -> tuple[str, tuple[str, ...]]:
    """Return the heading of a figure and the lines of its caption: how it is shown and what the result warns of."""
    found = {text.get_gid(): text.get_text() for text in figure.texts}
    lines = found.get(CAPTION, "").split("\n")
    return found.get(HEADING, ""), tuple(line for line in lines if line)


def _drawing(result: Any) -> tuple[Callable[..., Figure], type[FigureOptions]]:
    """Return what draws a result, or several, and the class of its display options."""
    if isinstance(result, list | tuple):
        kinds = {type(each).__name__ for each in result}
        if kinds != {"Attribution"}:
            found = ", ".join(sorted(kinds)) or "nothing"
            raise RenderError(f"one figure of several results is drawn of Attributions, these are {found}")
        return lambda several, options: side_by_side(tuple(several), options), HeatOptions
    name = type(result).__name__
    if name not in _DRAWN:
        raise RenderError(f"no figure for {name}; there are figures for {', '.join(_DRAWN)}")
    return _DRAWN[name], BY_RESULT[name]


def options_class(result: Any) -> type[Any]:
    """Return the class of the display options of a result's figure.

    Raises:
        RenderError: The result is of a kind that has no figure.
    """
    return _drawing(result)[1]


def _attribution(result: Attribution, options: HeatOptions) -> Figure:
    if np.ndim(result.images) != 4:
        return other_inputs_figure(result, options)
    if result.has_map:
        return attribution_figure(result, options)
    return maps_figure(result, options) if result.view == "maps" else units_figure(result, options)


def _synthesis(result: Any, options: SynthesisOptions) -> Figure:
    return curves_figure(result, options) if options.view == "curves" else synthesis_figure(result, options)


def _fields(result: Any, options: FieldOptions) -> Figure:
    return fields_figure(result, options) if result.unit is None else path_figure(result, options)


_DRAWN: dict[str, Callable[..., Figure]] = {
    "Attribution": _attribution,
    "Convolution": convolution_figure,
    "Difference": difference_figure,
    "Dictionary": dictionary_figure,
    "Dissection": dissection_figure,
    "Distributions": distributions_figure,
    "Drift": drift_figure,
    "EffectiveReceptiveField": effective_field_figure,
    "Evolution": evolution_figure,
    "Exemplars": exemplars_figure,
    "Comparison": comparison_figure,
    "FeatureImportance": importance_figure,
    "FilterBank": filters_figure,
    "FilterMatch": match_figure,
    "Intervention": intervention_figure,
    "Measurement": measurement_figure,
    "FilterVariety": variety_figure,
    "ReceptiveFields": _fields,
    "Recommendation": recommendation_figure,
    "Report": report_figure,
    "Shortcuts": shortcuts_figure,
    "Synthesis": _synthesis,
    "UnitNames": names_figure,
}
