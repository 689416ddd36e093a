"""Two networks compared: CKA of all layers, matched units, where a change acts, and the images that changed most."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Difference
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figures.inks import COLOURS, EMPTY, FAINT, INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, Sheet, height_of, line_style, plotted, tidy
from cnnviz_plugins.renderers.images import rgb
from cnnviz_plugins.renderers.options import DifferenceOptions
from cnnviz_plugins.renderers.text import number, percent, plain

_NAMES, _GAP, _ROW, _IMAGE, _WORDS = 1.45, 0.35, 0.19, 1.05, 2.05
_CELL, _LARGEST_MAP, _BARS, _SWAP, _RELIABILITY = 0.34, 4.2, 2.3, 1.5, 2.1


def difference_figure(result: Difference, options: DifferenceOptions) -> Figure:
    """Return the CKA of every pair of layers, how well units match layer by layer, and the most changed images."""
    rows, columns = result.cka.shape
    cell = min(_CELL, _LARGEST_MAP / max(rows, columns))
    map_w, map_h = max(cell * columns, 1.2), max(cell * rows, 1.2)
    matches = result.matches[: options.limit]
    answers = result.answers
    images = 0 if answers is None else min(len(answers.names), options.columns)
    alone = min(len(result.alone), options.columns)
    has_curve = answers is not None and answers.calibration is not None
    right = EDGE + _NAMES + map_w + 0.75 + _NAMES
    swap_w = 0.0 if result.moved.swap_churn is None else _SWAP + 0.45
    sheet_w = max(right + _BARS + swap_w + 0.55 + EDGE + (_RELIABILITY + 0.75) * has_curve, 6.9)
    upper_h = max(map_h + 1.25, len(matches) * _ROW + 0.75, (_RELIABILITY + 1.05) * has_curve)
    across = max(1, int((sheet_w - 2 * EDGE) // (_IMAGE + _WORDS)))
    shown = answers.shown if answers is not None and images else result.alone[0].images if alone else None
    image_h = _IMAGE if shown is None else height_of(_IMAGE, shown.shape[1:3])
    changed_h, alone_h = (0.3 + -(-count // across) * (image_h + 0.12) if count else 0.0 for count in (images, alone))
    top = EDGE + 0.42
    heading = f"{result.model_a} (a) against {result.model_b} (b) · {result.image_count} images"
    sheet = Sheet.with_caption(
        heading, _words(result, len(matches)), result.warnings, width=sheet_w, top=top,
        body=upper_h + changed_h + alone_h + 0.1,
    )  # fmt: skip
    sheet.text(EDGE, top, plain(f"CKA ({result.form}) of layers of a, down, and b, across", 70))
    _heat(sheet, result, EDGE + _NAMES, top + 0.25, map_w, map_h)
    sheet.text(right - _NAMES, top, "matched units: mean correlation")
    _bars(sheet, result, right, top + 0.25, len(matches))
    if swap_w:
        _swap(sheet, result, right + _BARS + 0.45, top, len(matches))
    if answers is not None and answers.calibration is not None:
        left = right + _BARS + swap_w + 0.55 + 0.55
        sheet.text(left - 0.45, top, "calibration")
        side = _RELIABILITY - 0.2
        _reliability(sheet.axes(left, top + 0.25, side, side, frame=True), result)
        for place, (name, each) in enumerate(zip("ab", answers.calibration, strict=True)):
            words = f"{name}: expected error {number(each.ece)}"
            sheet.text(left, top + side + 0.7 + 0.15 * place, words, size=SMALL_PT, color=line_style(place)["color"])
    if images:
        _changed(sheet, result, images, top + upper_h, (across, image_h))
    if alone:
        _alone(sheet, result, alone, top + upper_h + changed_h, (across, image_h))
    return sheet.figure


def _heat(sheet: Sheet, result: Difference, left: float, top: float, width: float, height: float) -> None:
    axes = sheet.axes(left, top, width, height, frame=True)
    axes.set_facecolor(EMPTY)
    axes.imshow(np.ma.masked_invalid(result.cka), cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for which, names, turned in (("y", result.layers_a, 0), ("x", result.layers_b, 90)):
        every = -(-len(names) // 36)
        places = range(0, len(names), every)
        set_ticks = axes.set_yticks if which == "y" else axes.set_xticks
        set_ticks(places, [plain(names[k], 20) for k in places], rotation=turned, fontsize=SMALL_PT)
    axes.tick_params(length=2, pad=2)
    if width / len(result.layers_b) > 0.3:
        for (row, column), value in np.ndenumerate(result.cka):
            colour = INK if not value < 0.6 else "white"
            words = "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
            axes.text(column, row, words, ha="center", va="center", fontsize=SMALL_PT, color=colour)
    scale = Scale(policy="unit", low=0.0, high=1.0)
    sheet.color_bar(left + width + 0.1, top, 0.1, min(height, 1.6), scale, "viridis", "CKA")


def _bars(sheet: Sheet, result: Difference, left: float, top: float, count: int) -> None:
    matches = result.matches[:count]
    axes = sheet.axes(left, top, _BARS, count * _ROW, frame=True)
    axes.barh(range(count), [match.mean for match in matches], color=COLOURS[0], height=0.66)
    axes.plot(
        [match.chance for match in matches], range(count), "|", color=COLOURS[1], markersize=7, markeredgewidth=1.6
    )
    names = [_pair(match.layer_a, match.layer_b) for match in matches]
    axes.set_yticks(range(count), [plain(name, 24) for name in names], fontsize=SMALL_PT)
    axes.set(ylim=(count - 0.5, -0.5), xlim=(min(0.0, *(match.mean for match in matches)), 1.0))
    tidy(axes)
    sheet.note(left, top + count * _ROW + 0.2, "orange: 95th percentile by chance")


def _swap(sheet: Sheet, result: Difference, left: float, top: float, count: int) -> None:
    """Draw the churn that is left where b runs on from a's value at a layer, in the rows of the layers."""
    moved = result.moved
    assert moved.swap_churn is not None
    places = {match.layer_a: row for row, match in enumerate(result.matches[:count])}
    drawn = [
        (places[name], churn) for name, churn in zip(moved.layers, moved.swap_churn, strict=True) if name in places
    ]
    sheet.text(left, top, "churn from a's value on")
    axes = sheet.axes(left, top + 0.25, _SWAP, count * _ROW, frame=True)
    axes.barh([row for row, _ in drawn], [churn for _, churn in drawn], color=COLOURS[2], height=0.66)
    axes.axvline(result.churn, color=COLOURS[1], linewidth=1.2)
    most = max(result.churn, float(moved.swap_churn.max()), 0.01)
    axes.set(ylim=(count - 0.5, -0.5), xlim=(0, 1.08 * most), yticks=[])
    axes.set_xticks([0, most], ["0 %", percent(most)])
    tidy(axes, "right", "top")
    sheet.note(left, top + 0.25 + count * _ROW + 0.2, "orange: as b is")


def _pair(one: str, other: str) -> str:
    """Return the names of two layers, their ends where both are long: what tells layers apart stands there."""
    if one == other:
        return one
    return " ~ ".join(name if len(name) <= 10 else f"…{name[-9:]}" for name in (one, other))


def _reliability(axes: Axes, result: Difference) -> None:
    calibration = result.answers.calibration if result.answers is not None else None
    plotted(axes)
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.8)
    for place, each in enumerate(calibration or ()):
        seen = each.count > 0
        axes.plot(each.confidence[seen], each.accuracy[seen], marker=".", linewidth=1.3, **line_style(place))
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("confidence", fontsize=SMALL_PT)
    axes.set_ylabel("accuracy", fontsize=SMALL_PT)


def _changed(sheet: Sheet, result: Difference, images: int, top: float, sizes: tuple[int, float]) -> None:
    across, image_h = sizes
    answers = result.answers
    assert answers is not None
    sheet.text(EDGE, top, "images whose predictions changed most")
    for k in range(images):
        x = EDGE + k % across * (_IMAGE + _WORDS)
        y = top + 0.28 + k // across * (image_h + 0.12)
        sheet.axes(x, y, _IMAGE, image_h).imshow(rgb(answers.shown[k]), aspect="auto")
        image = int(answers.images[k])
        sheet.text(x + _IMAGE + 0.08, y + 0.02, plain(answers.names[k], 26), fontweight="bold", size=SMALL_PT)
        label = int(answers.labels[image])
        truth = f", truth {plain(answers.classes[label], 14)}" if label >= 0 else ""
        sheet.note(x + _IMAGE + 0.08, y + 0.17, f"{number(float(answers.divergence[image]))} nats{truth}")
        for side, name in enumerate("ab"):
            lines = [
                f"{percent(float(share)):>7} {plain(answers.classes[int(best)], 20)}"
                for best, share in zip(
                    answers.top_classes[k, side, :2], answers.top_probabilities[k, side], strict=False
                )
            ]
            at = y + 0.34 + side * 0.32
            sheet.text(x + _IMAGE + 0.08, at, f"{name}", size=SMALL_PT, color=line_style(side)["color"])
            sheet.text(x + _IMAGE + 0.2, at, lines[0], size=SMALL_PT, color=INK)
            if len(lines) > 1:
                sheet.text(x + _IMAGE + 0.2, at + 0.13, lines[1], size=SMALL_PT, color=FAINT)


def _alone(sheet: Sheet, result: Difference, count: int, top: float, sizes: tuple[int, float]) -> None:
    """Draw the concepts that one network has alone, four images each."""
    across, image_h = sizes
    sheet.text(EDGE, top, "concepts that one network has alone, where they are strongest")
    for k, each in enumerate(result.alone[:count]):
        x = EDGE + k % across * (_IMAGE + _WORDS)
        y = top + 0.28 + k // across * (image_h + 0.12)
        for place, image in enumerate(each.images[:4]):
            cell = (x + place % 2 * _IMAGE / 2, y + place // 2 * image_h / 2, 0.48 * _IMAGE, 0.48 * image_h)
            sheet.axes(*cell).imshow(rgb(image), aspect="auto")
        other, side = ("b", 0) if each.network == "a" else ("a", 1)
        words = x + _IMAGE + 0.08
        sheet.text(words, y + 0.02, each.network, size=SMALL_PT, color=line_style(side)["color"], fontweight="bold")
        sheet.text(words + 0.13, y + 0.02, plain(f"{each.layer}, concept {each.concept}", 28), size=SMALL_PT)
        sheet.note(words, y + 0.19, f"predicted from its layer: {number(each.own)}")
        sheet.note(words, y + 0.33, plain(f"from {other}'s {each.partner}: {number(each.predicted)}", 36))


def _words(result: Difference, shown: int) -> list[str]:
    answers = result.answers
    lines = []
    if answers is not None:
        words = f"Churn: the best class differs on {percent(answers.churn)} of the images."
        if answers.flips is not None:
            before, after = answers.flips.accuracy
            words += (
                f" Accuracy {percent(before)} in a, {percent(after)} in b; {percent(answers.flips.negative)} became"
                f" wrong, {percent(answers.flips.positive)} became right."
            )
            words += _worst(result)
        lines.append(words)
    moved = result.moved
    if moved.layers:
        words = f"Layers of one name and shape: lowest signal to noise {_db(float(moved.sqnr_db.min()))}"
        lines.append(words + (f"; the first below 20 dB is {plain(moved.first)}." if moved.first else "."))
    if result.concepts:
        alone = [
            f"{sum(len(only) for only, _ in side)} of {sum(len(every) for _, every in side)}"
            for side in (
                [(each.only_a, each.own_a) for each in result.concepts],
                [(each.only_b, each.own_b) for each in result.concepts],
            )
        ]
        lines.append(
            f"Concepts that one network has alone: {alone[0]} of a, {alone[1]} of b. The other's layer predicts"
            " them worse than their own does, by more than 0.2 in correlation."
        )
    lines.append(
        f"A row is an image: a layer's values averaged over positions. {_participation(result)}"
        " CKA looks at the directions of largest variance."
    )
    if shown < len(result.matches):
        lines.append(f"Units of {len(result.matches) - shown} more layers are not shown.")
    return lines


def _db(value: float) -> str:
    return "infinite: they are equal" if np.isinf(value) else f"{number(value)} dB"


def _worst(result: Difference) -> str:
    """Return which class lost most, where one did."""
    assert result.answers is not None
    lost = result.answers.per_class[:, 1] - result.answers.per_class[:, 2]
    if not np.nanmax(lost, initial=0) > 0:
        return ""
    worst = int(np.nanargmax(lost))
    return f" The class {plain(result.answers.classes[worst], 24)} lost most: {percent(float(lost[worst]))}."


def _participation(result: Difference) -> str:
    both = [float(np.median(each)) for each in (result.participation_a, result.participation_b)]
    return f"Directions that carry a layer's variance, in the median: {number(both[0])} in a, {number(both[1])} in b;"
