"""Figures of interventions: what edits of layers do to scores, as bars, or as maps where every position was edited."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnviz_jax.plugin import Intervention
from cnnviz_plugins.renderers.colormaps import colormap, fitting
from cnnviz_plugins.renderers.display import finite, natural_policy, scale_for
from cnnviz_plugins.renderers.figures.inks import COLOURS, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, TEXT_PT, Sheet, image_extent, tidy
from cnnviz_plugins.renderers.images import channel_note, grey, rgb
from cnnviz_plugins.renderers.options import InterventionOptions
from cnnviz_plugins.renderers.text import number, plain

_IMAGE, _NAMES, _BARS, _BAR = 1.5, 2.1, 3.2, 0.19
_TILE, _GAP = 1.5, 0.14
_HEAD, _FOOT = 0.36, 0.45


def intervention_figure(result: Intervention, options: InterventionOptions) -> Figure:
    """Return one row per image: its bars, the largest first, or its maps."""
    return _maps(result, options) if result.maps else _bars(result, options)


def _bars(result: Intervention, options: InterventionOptions) -> Figure:
    rows = [_ranked(result, image, options.limit) for image in range(len(result.images))][: options.limit]
    values = np.concatenate([[0.0], *(numbers for _, numbers in rows)])
    low, high = float(values.min()), float(values.max())
    pad = 0.03 * ((high - low) or 1.0)
    height = max(_IMAGE * result.images.shape[1] / result.images.shape[2], *(_BAR * len(names) for names, _ in rows))
    row_h = _HEAD + height + _FOOT
    width = 2 * EDGE + _IMAGE + 0.2 + _NAMES + _BARS + 0.6
    top = EDGE + 0.3
    sheet = _sheet(result, (_unit(result, is_bars=True), *_left_out(result, len(rows))), width, top, len(rows) * row_h)
    for image, (names, numbers) in enumerate(rows):
        _image(sheet, result, image, top, width)
        axes = sheet.axes(EDGE + _IMAGE + 0.2 + _NAMES, top + _HEAD, _BARS, _BAR * len(names), frame=True)
        places = np.arange(len(names))
        axes.barh(places, numbers, color=[COLOURS[0] if value >= 0 else COLOURS[1] for value in numbers], height=0.7)
        axes.axvline(0, color=RULE, linewidth=0.8)
        axes.set_yticks(places, [plain(name, 38) for name in names], fontsize=SMALL_PT)
        axes.set(xlim=(low - pad, high + pad), ylim=(len(names) - 0.5, -0.5))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        tidy(axes, "right", "top", "left")
        for place, value in enumerate(numbers):
            axes.text(1.01, place, number(float(value), 3), transform=axes.get_yaxis_transform(), va="center",
                      fontsize=SMALL_PT)  # fmt: skip
        top += row_h
    return sheet.figure


def _ranked(result: Intervention, image: int, limit: int) -> tuple[list[str], Float[np.ndarray, " bars"]]:
    """Return the names and numbers of the bars of one image: of edits in their order where they are shown whole."""
    if result.each == "all":
        scores = result.scores_change
        if scores is None:
            return ["the target"], finite(result.change[image])
        order = np.argsort(-np.abs(scores[image, 0]), kind="stable")[: min(limit, 8)]
        return [result.class_names[k] for k in order], finite(scores[image, 0, order])
    shown = result.restored if result.restored is not None else result.change
    numbers = np.nan_to_num(shown[image])
    order = np.arange(len(numbers)) if result.each == "edit" else np.argsort(-np.abs(numbers), kind="stable")
    order = order[:limit]
    return [result.label(int(k)) for k in order], finite(numbers[order])


def _maps(result: Intervention, options: InterventionOptions) -> Figure:
    # A position that was not edited changed nothing.
    maps = {edit: np.nan_to_num(values) for edit, values in list(result.maps.items())[: options.limit]}
    count = min(len(result.images), options.limit)
    together = np.concatenate([finite(each[:count]).ravel() for each in maps.values()])
    policy = natural_policy(together)
    scale = scale_for(together, policy, percentile=100.0, shared=True)
    colours = fitting("auto", policy)
    height = _TILE * result.images.shape[1] / result.images.shape[2]
    columns = 1 + len(maps)
    width = max(2 * EDGE + columns * (_TILE + _GAP) + 1.0, 5.6)
    row_h = _HEAD + height + 0.3
    top = EDGE + 0.3
    words = (_unit(result, is_bars=False), scale.caption, *_left_out(result, count))
    sheet = _sheet(result, words, width, top, count * row_h)
    extent = image_extent(result.images.shape[1:])
    for image in range(count):
        _image(sheet, result, image, top, width)
        for place, (edit, values) in enumerate(maps.items(), start=1):
            left = EDGE + place * (_TILE + _GAP)
            axes = sheet.axes(left, top + _HEAD, _TILE, height)
            axes.imshow(grey(result.images[image]), cmap="gray", vmin=0, vmax=1)
            axes.imshow(
                scale.levels(values[image]),
                cmap=colormap(colours),
                vmin=0,
                vmax=1,
                alpha=options.opacity,
                extent=extent,
            )
            axes.set(xlim=extent[:2], ylim=extent[2:])
            sheet.note(left, top + _HEAD + height + 0.05, plain(edit, 24))
        left = EDGE + columns * (_TILE + _GAP)
        sheet.color_bar(left, top + _HEAD, 0.12, height, scale, colours, "change of the score")
        top += row_h
    return sheet.figure


def _sheet(result: Intervention, words: tuple[str, ...], width: float, top: float, body: float) -> Sheet:
    what = "; ".join(result.edits[:3]) + (", ..." if len(result.edits) > 3 else "")
    each = "" if result.each == "all" else f", each {result.each} alone"
    heading = f"{what}{each} · {result.provenance.model}"
    notes = (*words, channel_note(result.images.shape[-1]))
    return Sheet.with_caption(heading, notes, result.warnings, width=width, top=top, body=body)


def _image(sheet: Sheet, result: Intervention, image: int, top: float, width: float) -> None:
    height = _IMAGE * result.images.shape[1] / result.images.shape[2]
    sheet.axes(EDGE, top + _HEAD, _IMAGE, height).imshow(rgb(result.images[image]))
    words = [*result.names[image : image + 1], *result.provenance.targets[image : image + 1]]
    score = f"score {number(float(result.before[image]), 4)}"
    if result.each == "all":
        score += f", then {number(float(result.after[image, 0]), 4)}"
    if result.source is not None:
        score += f"; of the source {number(float(result.source[image]), 4)}"
    sheet.text(EDGE, top + 0.06, plain(" · ".join([*words, score]), int(width * 11)), size=TEXT_PT)


def _unit(result: Intervention, *, is_bars: bool) -> str:
    if not is_bars:
        return "change of the target's score with that position alone edited"
    if result.each == "all":
        return "change of each class's score; the largest changes"
    if result.restored is not None:
        return "share of the way from the image's score to the source's: 1 restores it"
    order = "" if result.each == "edit" else ", the largest first"
    return f"change of the target's score{order}"


def _left_out(result: Intervention, shown: int) -> tuple[str, ...]:
    more = len(result.images) - shown
    return (f"{more} more images are not shown (limit={shown})",) if more else ()
