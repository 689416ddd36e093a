"""The importance of features: what the score loses without each of them, beside what their gradients say."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import FeatureImportance
from cnnviz_plugins.renderers.figures.inks import FAINT
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, line_style, plotted
from cnnviz_plugins.renderers.options import UnitOptions

_WIDE, _ROW, _GAP, _NAMES, _TOP = 2.3, 0.2, 0.35, 0.9, EDGE + 0.42


def importance_figure(result: FeatureImportance, options: UnitOptions) -> Figure:
    """Return bars of the means over images, the features whose removal costs most first, with a dot for each image."""
    columns = {"fall of the score without it": result.removal, "code times slope": result.gradient}
    if result.sobol is not None:
        columns["total Sobol index"] = result.sobol
    order = np.argsort(-result.removal.mean(0), kind="stable")[: options.limit]
    body = 0.6 + _ROW * len(order)
    width = 2 * EDGE + _NAMES + len(columns) * (_WIDE + _GAP)
    heading = f"features of {result.layer} · {result.provenance.model}"
    left_out = result.removal.shape[1] - len(order)
    caption = f"Means over {len(result.scores)} images; a dot for each image."
    caption += f" {left_out} features are not shown." if left_out else ""
    sheet = Sheet.with_caption(heading, [caption], result.warnings, width=width, top=_TOP, body=body)
    for place, (words, values) in enumerate(columns.items()):
        left = EDGE + _NAMES + place * (_WIDE + _GAP)
        sheet.text(left, _TOP, words)
        axes = sheet.axes(left, _TOP + 0.22, _WIDE, _ROW * len(order), frame=True)
        _bars(axes, values[:, order], [f"feature {k}" for k in order] if place == 0 else [])
    return sheet.figure


def _bars(axes: Axes, values: Float[np.ndarray, "n k"], names: list[str]) -> None:
    rows = np.arange(values.shape[1])
    axes = plotted(axes)
    axes.barh(rows, values.mean(0), height=0.7, color=line_style(0)["color"])
    axes.scatter(values.ravel(), np.tile(rows, len(values)), s=5, color="black", alpha=0.5, linewidths=0, zorder=3)
    axes.axvline(0, color=FAINT, linewidth=0.6)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(rows, names) if names else axes.set_yticks([])
    axes.tick_params(labelsize=SMALL_PT)
