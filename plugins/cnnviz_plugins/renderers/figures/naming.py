"""Names of units: the score of each against chance, and the images that excite the unit most."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import UnitNames
from cnnviz_plugins.renderers.figures.inks import COLOURS, FAINT, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, height_of, tidy
from cnnviz_plugins.renderers.images import rgb
from cnnviz_plugins.renderers.options import UnitOptions
from cnnviz_plugins.renderers.text import number, plain

_IMAGE, _GAP, _WORDS, _BAR = 0.72, 0.06, 2.3, 2.3


def names_figure(result: UnitNames, options: UnitOptions) -> Figure:
    """Return one row per unit: its name, its score with interval and chance, and its images."""
    rows = range(min(len(result.shown), options.limit))
    columns = min(result.images.shape[1], options.columns)
    image_h = height_of(_IMAGE, result.images.shape[2:4])
    pitch = image_h + _GAP
    top = EDGE + 0.42
    sheet_w = 2 * EDGE + _WORDS + _BAR + 0.3 + columns * (_IMAGE + _GAP)
    heading = f"names of {result.layer} · {result.provenance.model} · {result.image_count} images"
    body = 0.35 + len(rows) * pitch + 0.45
    sheet = Sheet.with_caption(heading, _words(result), result.warnings, width=max(sheet_w, 6.9), top=top, body=body)
    place = {unit: k for k, unit in enumerate(result.units)}
    left = EDGE + _WORDS
    sheet.text(left, top, f"{result.scored_by} on images held out")
    sheet.text(left + _BAR + 0.3, top, "images that excite it most")
    axes = sheet.axes(left, top + 0.3, _BAR, len(rows) * pitch, frame=True)
    for row, k in enumerate(rows):
        at = place[result.shown[k]]
        y = top + 0.3 + row * pitch
        named = result.names[at] != ""
        sheet.text(EDGE, y + 0.08, f"unit {result.shown[k]}", fontweight="bold")
        sheet.text(EDGE, y + 0.27, plain(result.names[at] or "no concept found", 34), size=SMALL_PT)
        note = f"best: {result.best[at]}" if not named else f"next: {result.second[at]}" if result.second[at] else ""
        sheet.note(EDGE, y + 0.42, plain(note, 36))
        colour = COLOURS[0] if named else RULE
        axes.barh(row, result.score[at], height=0.4, color=colour)
        axes.plot([result.low[at], result.high[at]], [row, row], color=FAINT, linewidth=1.2)
        axes.plot([result.threshold[at]], [row], "|", color=COLOURS[1], markersize=12, markeredgewidth=1.8)
        if not np.isnan(result.second_score[at]):
            axes.plot([result.second_score[at]], [row], "o", color=COLOURS[6], markersize=3.5)
        for rank in range(columns):
            cell = sheet.axes(left + _BAR + 0.3 + rank * (_IMAGE + _GAP), y, _IMAGE, image_h)
            cell.imshow(rgb(result.images[k, rank]), aspect="auto")
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.axvline(0, color=RULE, linewidth=0.6)
    tidy(axes, "left", "right", "top")
    return sheet.figure


def _words(result: UnitNames) -> list[str]:
    counted = Counter(result.status)
    given, two = counted["named"] + counted["two names"], counted["two names"]
    refused = ", ".join(f"{counted[status]} {status}" for status in ("chance", "rare", "silent") if counted[status])
    of = (
        f"{given} of {len(result.units)} units are named from {len(result.concepts)} {result.kind}, {two} of them twice"
    )
    how = (
        "Names are chosen on half of the images and scored on the others. Orange: 99th percentile of the same search"
        " with permuted values; grey line: 95 % interval; black: the best unrelated name."
    )
    lines = [of + (f"; refused: {refused}." if refused else "."), how]
    if not np.isnan(result.missing_fall):
        falls = [number(each) for each in (result.missing_fall, result.extra_fall)]
        lines.append(
            f"Of a perfect unit {result.scored_by} falls by {falls[0]} of itself with half of the labels missing, by"
            f" {falls[1]} with as many wrong ones added."
        )
    return lines
