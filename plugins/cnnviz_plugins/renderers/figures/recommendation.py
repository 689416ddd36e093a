"""A recommendation: the answer, each technique's faithfulness with its interval, the reasons."""

from typing import Any

from matplotlib.figure import Figure

from cnnviz_plugins.renderers.figures.inks import INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, Sheet, tidy
from cnnviz_plugins.renderers.options import MeasureOptions
from cnnviz_plugins.renderers.text import plain

_ROW, _LABEL, _WIDTH = 0.24, 1.9, 3.8
_CHOSEN, _INSENSITIVE = "#316dca", "#afb8c1"


def recommendation_figure(result: Any, options: MeasureOptions) -> Figure:
    """Return what is recommended: a dot and a line per technique, its faithfulness and the 95 % interval.

    Args:
        result: A `Recommendation`.
        options: Those of measures; none of them changes it.
    """
    heading, *reasons = str(result).splitlines()
    if result.comparison is not None:
        heading += f" · {result.comparison.model}, {len(result.comparison.images)} images"
    found = sorted(result.faithfulness.items(), key=lambda item: -item[1][0])
    body = max(len(found), 1) * _ROW + 0.75 if found else 0.1
    words = [reason.removeprefix("- ") for reason in reasons]
    if found:
        words.append(
            "Dots: insertion less deletion, higher is better; lines: 95 % intervals; blue: recommended; grey: does not"
            " depend on the weights; dashed: the better of two random maps."
        )
    sheet = Sheet.with_caption(heading, words, (), width=2 * EDGE + _LABEL + _WIDTH + 0.2, top=EDGE + 0.45, body=body)
    if not found:
        return sheet.figure
    axes = sheet.axes(EDGE + _LABEL, EDGE + 0.45, _WIDTH, len(found) * _ROW, frame=True)
    for row, (name, (mean, low, high)) in enumerate(found):
        colour = _INSENSITIVE if name in result.insensitive else _CHOSEN if name == result.technique else INK
        axes.plot([low, high], [row, row], color=colour, linewidth=1.4)
        axes.plot([mean], [row], "o", color=colour, markersize=4)
    axes.axvline(result.control, color=RULE, linewidth=1.0, linestyle="--", zorder=0)
    axes.set(ylim=(len(found) - 0.5, -0.5), yticks=range(len(found)))
    axes.set_yticklabels([plain(name, 28) for name, _ in found])
    axes.set_xlabel("insertion less deletion")
    tidy(axes)
    return sheet.figure
