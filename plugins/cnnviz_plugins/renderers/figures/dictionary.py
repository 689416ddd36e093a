"""A dictionary: how its learning went, how often its features fire, and what it explains of rows it never saw."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from cnnviz_jax.plugin import Dictionary
from cnnviz_plugins.renderers.figures.inks import FAINT
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, line_style, plotted
from cnnviz_plugins.renderers.options import FigureOptions
from cnnviz_plugins.renderers.text import number, percent

_WIDE, _HIGH, _GAP, _TOP = 2.75, 1.9, 0.75, EDGE + 0.42
_CURVES = (
    ("loss", "loss"),
    ("fvu", "share of the variance left"),
    ("l0", "features of a row"),
    ("dead", "dead features"),
)
_WORDS = {
    "r2": "R² of rows held out",
    "pca_r2": "R² of as many principal directions",
    "l0": "features of a row",
    "dead": "features that never fire",
    "coherence": "largest cosine of two features",
    "stability": "mean cosine over seeds",
    "agreement": "top class stays, layer rebuilt",
    "score_kept": "score kept, layer rebuilt",
}
_SHARES = ("dead", "agreement", "score_kept")


def dictionary_figure(result: Dictionary, options: FigureOptions) -> Figure:
    """Return the curves of the learning, the histogram of densities, and the measures in words."""
    # Of a training the loss is little more than the share that is left; a factorisation has the loss alone.
    skipped = "loss" if "fvu" in result.curves else "fvu"
    curves = [(name, words) for name, words in _CURVES if name in result.curves and name != skipped]
    columns = 2 if len(curves) > 1 else 1
    rows = -(-len(curves) // columns)
    width = 2 * EDGE + 0.35 + (columns + 1) * _WIDE + columns * _GAP
    body = max(rows * (_HIGH + 0.6), _HIGH + 0.6 + 0.17 * len(result.metrics))
    where = result.layer or "rows"
    model = f" · {result.provenance.model}" if result.layer else ""
    heading = f"{result.provenance.technique} of {where}{model} · {len(result)} features"
    sheet = Sheet.with_caption(heading, [_caption(result)], result.warnings, width=width, top=_TOP, body=body)
    for place, (name, words) in enumerate(curves):
        left = EDGE + 0.35 + (place % columns) * (_WIDE + _GAP)
        top = _TOP + (place // columns) * (_HIGH + 0.6)
        sheet.text(left, top, words)
        _curve(sheet.axes(left, top + 0.22, _WIDE, _HIGH - 0.25, frame=True), result, name)
    left = EDGE + 0.35 + columns * (_WIDE + _GAP)
    sheet.text(left, _TOP, "how often features fire")
    _densities(sheet.axes(left, _TOP + 0.22, _WIDE, _HIGH - 0.25, frame=True), result.density)
    for place, (name, words) in enumerate((n, w) for n, w in _WORDS.items() if n in result.metrics):
        value = result.metrics[name]
        shown = percent(value) if name in _SHARES else number(value)
        top = _TOP + _HIGH + 0.5 + 0.17 * place
        sheet.note(left, top, words)
        sheet.text(left + _WIDE, top, shown, size=SMALL_PT, ha="right")
    return sheet.figure


def _caption(result: Dictionary) -> str:
    learned = f"Learned from {result.row_count:,} rows, measured on {result.held_out_count:,} others."
    config = result.provenance.config
    k = getattr(config, "k", None)
    return learned + (f" At most {k} features a row." if k else "")


def _curve(axes: Axes, result: Dictionary, name: str) -> None:
    values = result.curves[name]
    plotted(axes).plot(result.curves.get("step", np.arange(len(values))), values, linewidth=1.2, **line_style(0))
    positive = values[np.isfinite(values) & (values > 0)]
    if name in ("loss", "fvu") and len(positive) == len(values) and positive.max() > 20 * positive.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("step", fontsize=SMALL_PT, color=FAINT, labelpad=1)


def _densities(axes: Axes, density: Float[np.ndarray, " k"]) -> None:
    """Draw how many features fire in which share of the rows; those that never do stand apart at the left."""
    fires = density[density > 0]
    low = np.floor(np.log10(fires.min())) if len(fires) else -1.0
    edges = np.linspace(low, 0, 25)
    plotted(axes).hist(np.log10(fires), edges.tolist(), color=line_style(0)["color"])
    never = int((density == 0).sum())
    if never:
        axes.bar([low - 2 * (edges[1] - edges[0])], [never], edges[1] - edges[0], color=line_style(1)["color"])
        axes.annotate(
            f"{never} never", (low - 2 * (edges[1] - edges[0]), never), fontsize=SMALL_PT, ha="left", va="bottom"
        )
    ticks = np.arange(low, 1)
    axes.set_xticks(ticks, [f"{10.0**tick:.{max(0, int(-tick) - 2)}%}" for tick in ticks])
    axes.set_xlabel("share of rows", fontsize=SMALL_PT, color=FAINT, labelpad=1)
    axes.set_ylabel("features", fontsize=SMALL_PT, color=FAINT)
