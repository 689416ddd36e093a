"""Several attributions in one figure: images down, techniques across."""

import numpy as np
from matplotlib.figure import Figure

from cnnviz_jax.plugin import Attribution, RenderError, Report
from cnnviz_plugins.renderers.colormaps import colormap
from cnnviz_plugins.renderers.figures.sheet import EDGE, TEXT_PT, Sheet, image_extent, wrapped
from cnnviz_plugins.renderers.heats import Heat, heats
from cnnviz_plugins.renderers.images import channel_note, grey, rgb
from cnnviz_plugins.renderers.options import HeatOptions
from cnnviz_plugins.renderers.text import plain, scored, target_of, unit_of

_GAP, _BAR, _TICKS = 0.12, 0.1, 0.6
_CELL = 1.6


def side_by_side(attributions: tuple[Attribution, ...], options: HeatOptions) -> Figure:
    """Return one row per image with the image and each technique's map over it, each with its colour bar.

    With `scale="shared"` all images of one technique share a scale; techniques never do, their units differ.

    Raises:
        RenderError: They are not of the same images, or one has no map of the images.
    """
    images = np.asarray(attributions[0].images)
    for one in attributions:
        if not one.has_map:
            raise RenderError(f"{one.provenance.technique} gives values of a layer, which have a figure of their own")
        if not np.array_equal(np.asarray(one.images), images):
            raise RenderError("one figure shows several techniques on the same images; these differ, draw them apart")
    columns = [heats(one, options)[: options.limit] for one in attributions]
    rows = len(columns[0])
    cell_h = float(np.clip(_CELL * images.shape[1] / images.shape[2], 0.6, 3.2))
    cell_w = cell_h * images.shape[2] / images.shape[1]
    step_w = cell_w + _BAR + _TICKS + _GAP
    names = [wrapped(_name(one), cell_w + _BAR + _TICKS, TEXT_PT) for one in attributions]
    named_h = 0.17 * max(name.count("\n") + 1 for name in names)
    first = attributions[0]
    named = [[*first.names[k : k + 1], target_of(first, k) or f"image {k + 1}"] for k in range(rows)]
    labels = [wrapped(plain(" · ".join(each), 60), cell_w, TEXT_PT) for each in named]
    row_h = cell_h + max(0.36, 0.16 * max(label.count("\n") + 1 for label in labels) + 0.12)
    width = max(2 * EDGE + cell_w + _GAP + len(columns) * step_w, 5.0)
    top = EDGE + 0.35 + named_h
    sheet = Sheet.with_caption(
        f"{len(columns)} technique{'s' if len(columns) > 1 else ''} · {attributions[0].provenance.model}",
        _caption(attributions, columns, len(images) - rows, options),
        list(dict.fromkeys(warning for one in attributions for warning in one.warnings)),
        width=width, top=top, body=rows * row_h,
    )  # fmt: skip
    for place, name in enumerate(names):
        sheet.text(EDGE + cell_w + _GAP + place * step_w, top - named_h - 0.03, name + "\n", va="top")
    for k in range(rows):
        y = top + k * row_h
        sheet.axes(EDGE, y, cell_w, cell_h).imshow(rgb(images[k]))
        sheet.text(EDGE, y + cell_h + 0.05, labels[k])
        for place, (one, column) in enumerate(zip(attributions, columns, strict=True)):
            x = EDGE + cell_w + _GAP + place * step_w
            _cell(sheet, images[k], column[k], (x, y, cell_w, cell_h), options)
            sheet.note(x, y + cell_h + 0.05, scored(one, k) + (", all zero" if column[k].is_zero else ""))
    return sheet.figure


def report_figure(report: Report, options: HeatOptions) -> Figure:
    """Return the report's maps side by side, those of channels left out.

    Raises:
        RenderError: The report has none.
    """
    shown = tuple(one for one in report.attributions.values() if one.has_map)
    if not shown:
        raise RenderError("a report is drawn in one figure by its maps of images, and this one has none")
    return side_by_side(shown, options)


def _cell(
    sheet: Sheet, image: np.ndarray, heat: Heat, place: tuple[float, float, float, float], options: HeatOptions
) -> None:
    left, top, width, height = place
    axes, extent = sheet.axes(left, top, width, height), image_extent(image.shape)
    axes.imshow(grey(image), cmap="gray", vmin=0, vmax=1)
    axes.imshow(heat.levels, cmap=colormap(heat.colormap), vmin=0, vmax=1, alpha=options.opacity, extent=extent)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    sheet.color_bar(left + width + 0.04, top, _BAR, height, heat.scale, heat.colormap, "")


def _name(attribution: Attribution) -> str:
    provenance = attribution.provenance
    return plain(provenance.technique + (f" at {provenance.layer}" if provenance.layer else ""), 60)


def _caption(
    attributions: tuple[Attribution, ...], columns: list[list[Heat]], left_out: int, options: HeatOptions
) -> list[str]:
    """Return how each technique is shown, those that are shown alike together."""
    alike: dict[str, list[str]] = {}
    for one, column in zip(attributions, columns, strict=True):
        caption = "; ".join(dict.fromkeys([*(heat.caption for heat in column), f"unit: {unit_of(one)}"]))
        alike.setdefault(caption, []).append(_name(one))
    words = [f"{', '.join(names)}: {caption}" for caption, names in alike.items()]
    words += [f"{left_out} more images are not shown (limit={options.limit})"] if left_out else []
    return [*words, channel_note(np.asarray(attributions[0].images).shape[-1])]
