"""The figures of concepts: scores as bars with their spread, and concepts found with their crops."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import UsageError
from cnnviz_plugins.explain.concepts.results import ConceptBank, ConceptScores
from cnnviz_plugins.explain.figure_files import DPI, STYLE, write_figure

_GREY = "#9a9a9a"


def render(result: ConceptScores | ConceptBank, path: Path, *, dpi: int = DPI, **display: Any) -> None:
    """Write the result's figure to `path`; its suffix says whether as PNG, SVG or PDF.

    Raises:
        UsageError: An option is unknown or out of range.
    """
    write_figure(figure(result, **display), path, dpi)


def figure(result: ConceptScores | ConceptBank, **display: Any) -> Figure:
    """Return the result's figure, to be changed or shown by the caller.

    Raises:
        UsageError: A display option is given: there are none.
    """
    if display:
        raise UsageError(f"no display option {next(iter(display))!r} for a figure of concepts; there is dpi")
    with matplotlib.rc_context(STYLE):
        return scores_figure(result) if isinstance(result, ConceptScores) else bank_figure(result)


def scores_figure(result: ConceptScores) -> Figure:
    """Return a bar for each concept, hollow where it is no different from random directions."""
    count = len(result.concepts)
    figure = Figure(figsize=(4.6, 0.9 + 0.32 * (count + 1)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(count + 1)
    values = [*result.score, result.random_score]
    mean, spread = [row.mean() for row in values], [row.std(ddof=1) for row in values]
    filled = [*result.significant, False]
    colours = ["#3b6ea5" if is_filled else "none" for is_filled in filled]
    axes.barh(rows, mean, xerr=spread, color=colours, edgecolor=["#3b6ea5"] * count + [_GREY], ecolor="#404040")
    axes.set_yticks(rows, [*result.concepts, "random directions"])
    axes.invert_yaxis()
    axes.axvline(float(np.mean(result.random_score)), color=_GREY, linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of images whose score rises; hollow: as by chance")
    axes.set_title(f"{result.target} at {result.layer}", fontsize=9)
    return figure


def bank_figure(result: ConceptBank) -> Figure:
    """Return a row for each concept: its importance and the crops that show it most."""
    concepts, shown = result.crops.shape[:2]
    figure = Figure(figsize=(0.8 * (shown + 1.6), 0.84 * concepts + 0.4), layout="constrained")
    grid = figure.subplots(concepts, shown + 1, squeeze=False, width_ratios=[1.6, *[1] * shown])
    for k, row in enumerate(grid):
        row[0].text(0, 0.5, f"concept {k}\nimportance {result.importance[k]:.2f}", va="center", fontsize=8)
        for rank, axes in enumerate(row[1:]):
            if result.weight[k, rank] > 0:
                crop = np.clip(result.crops[k, rank], 0, 1)
                is_grey = crop.shape[-1] not in (3, 4)
                axes.imshow(crop.mean(-1) if is_grey else crop, cmap="gray" if is_grey else None, vmin=0, vmax=1)
        for axes in row:
            axes.set_axis_off()
    figure.suptitle(f"concepts of {result.target} at {result.layer}, most important first", fontsize=9)
    return figure
