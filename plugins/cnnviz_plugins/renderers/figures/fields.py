"""Receptive fields: the boxes of all layers with a table of their sizes, or what one unit sees in each layer below."""

from fractions import Fraction

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz_jax.plugin import Field, ReceptiveFields, in_few
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.figures.inks import EMPTY, FAINT, INK, RULE
from cnnviz_plugins.renderers.figures.sheet import EDGE, SMALL_PT, TEXT_PT, Sheet, lines_height, wrapped
from cnnviz_plugins.renderers.geometry import FieldRow, field_rows, frame_window, frontal
from cnnviz_plugins.renderers.options import FieldOptions
from cnnviz_plugins.renderers.text import plain

_FRAME, _ROW = 3.6, 0.19
_COLUMNS = (0.0, 0.2, 2.15, 3.2, 4.15, 4.85)


def fields_figure(result: ReceptiveFields, options: FieldOptions) -> Figure:
    """Return the boxes on the left and size, stride and padding of every layer on the right."""
    rows = field_rows(result)
    listed = listed_rows(rows, options.limit)
    *depth, height, width, _ = result.input_shape
    left, top, right, bottom = frame_window(rows, (height, width))
    frame_h = _FRAME * (bottom - top) / (right - left)
    words = ["Box of the central unit of each layer over the input (grey); equal boxes are drawn once."]
    words += ["Rows and columns are drawn; sizes are depth × height × width."] if depth else []
    words += ["misaligned: paths differ in stride or centre."] if any(not row.is_aligned for row in rows) else []
    widening = list(dict.fromkeys(row.widened_by for row in rows if row.widened_by))
    if widening:
        words.append(
            f"In brackets: along convolutions and pools; by {in_few(widening, 3)} units see the whole input as well."
        )
    if listed != rows:
        absent = f"{len(rows) - len(listed)} layers are not listed (limit={options.limit})"
        words.append(f"{absent}: first those that see what an earlier one sees, then the middle ones.")
    words += [f"Warning: {warning}" for warning in result.warnings]
    caption = wrapped("\n".join(words), _FRAME, SMALL_PT)
    body_h = max(frame_h + 0.1 + lines_height(caption, SMALL_PT), (len(listed) + 1.5) * _ROW)
    sheet = Sheet(2 * EDGE + _FRAME + 0.35 + 6.0, EDGE + 0.4 + body_h + EDGE)
    sheet.heading(
        f"receptive fields · {result.provenance.model} · input {' × '.join(map(str, result.input_shape[:-1]))}"
    )

    origin = EDGE + 0.4
    axes = sheet.axes(EDGE, origin, _FRAME, frame_h)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=EMPTY, edgecolor=FAINT, linewidth=0.8))
    levels = np.linspace(235, 70, len(rows)).astype(int)
    colours = {row.layer: palette("plasma")[level] / 255 for row, level in zip(rows, levels, strict=True)}
    for row in reversed(rows):
        if row.is_first_of_box:
            first, start, last, end = row.box
            corner, sides = (start, first), (end - start + 1, last - first + 1)
            axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=colours[row.layer], linewidth=1.1))
    sheet.note(EDGE, origin + frame_h + 0.06, caption)

    table = EDGE + _FRAME + 0.35
    y = origin
    for x, word in zip(_COLUMNS[1:], ("layer", "kind", "size", "stride", "padding"), strict=True):
        sheet.note(table + x, y, word)
    for row in listed:
        y += _ROW
        mark = sheet.axes(table + 0.02, y + 0.015, 0.1, 0.1)
        mark.add_patch(Rectangle((0, 0), 1, 1, facecolor=colours[row.layer]))
        cells = (_end_of(row.layer, 30), plain(row.kind, 15), row.size_text, row.stride_text, row.padding_text)
        for x, words_here in zip(_COLUMNS[1:], cells, strict=True):
            sheet.text(table + x, y, words_here, size=SMALL_PT if x < 2 else TEXT_PT - 1, color=INK)
        if not row.is_aligned:
            sheet.note(table + _COLUMNS[5] + (0.57 if depth else 0.5), y, "misaligned")
    line = sheet.axes(table, origin + _ROW - 0.035, 5.95, 0.008)
    line.add_patch(Rectangle((0, 0), 1, 1, facecolor=RULE))
    return sheet.figure


def listed_rows(rows: list[FieldRow], limit: int) -> list[FieldRow]:
    """Return at most `limit` rows, the last layer's always among them.

    Of too many, first those go whose layer sees what an earlier one sees (activations, norms), then the middle ones.
    """
    if len(rows) <= limit:
        return rows
    telling = [row for row in rows[:-1] if row.is_first_of_box] + rows[-1:]
    if len(telling) <= limit:
        return telling
    late = max(limit // 2, 1)
    return telling[: limit - late] + telling[-late:]


def _end_of(name: str, length: int) -> str:
    """Return a layer's name; of a long one its end, which tells it from its neighbours."""
    name = plain(name, 1000)
    return name if len(name) <= length else "…" + name[1 - length :]


_LARGEST, _SMALLEST, _GAP = 1.7, 0.45, 0.35
_GRID = 40

Box = tuple[int, ...]


def path_figure(result: ReceptiveFields, options: FieldOptions) -> Figure:
    """Return one panel for the image and one for each layer up to the unit's, sizes drawn to one scale."""
    if result.unit is None:
        raise ValueError("the way down of one unit needs a unit")
    layer, unit = str(result.unit[0]), tuple(map(int, result.unit[1:]))
    input_name = "image" if len(unit) == 2 else "volume"
    panels = [(input_name, result.input_shape[:-1], result.fields[layer].box(*unit))]
    for name, field in result.fields.items():
        box = box_below(field, result.fields[layer], unit)
        previous = panels[-1]
        if box is not None and (name == layer or (field.shape, box) != (previous[1], previous[2])):
            panels.append((name, field.shape, box))
    hidden = max(len(panels) - options.limit, 0)
    panels = [*panels[: options.limit - 1], panels[-1]] if hidden else panels
    largest = max(max(shape[-2:]) for _, shape, _ in panels)
    sizes = [
        tuple(max(_LARGEST * side / largest, _SMALLEST * side / max(shape[-2:])) for side in shape[-2:])
        for _, shape, _ in panels
    ]
    sheet_w = max(2 * EDGE + sum(max(size[1], 0.8) + _GAP for size in sizes), 5.6)
    words = (
        f"From the left: the part of the {input_name}, and of each layer's map, that unit {unit} of {layer} sees. "
        + ("Rows and columns are drawn; numbers are depth × height × width. " if len(unit) == 3 else "")
        + "Layers whose units see one unit of the layer before are left out."
    )
    more = f"{hidden} layers are not drawn (limit={options.limit})." if hidden else ""
    top = EDGE + 0.8
    body_h = max(size[0] for size in sizes)
    heading = f"what unit {unit} of {layer} sees · {result.provenance.model}"
    sheet = Sheet.with_caption(heading, [words, more], result.warnings, width=sheet_w, top=top, body=body_h + 0.3)
    colours = [palette("plasma")[int(k)] / 255 for k in np.linspace(70, 220, len(panels))]
    x = EDGE
    for (name, shape, box), size, colour in zip(panels, sizes, colours, strict=True):
        sheet.text(x, top - 0.38, plain(name, 14))
        sheet.note(x, top - 0.2, " × ".join(map(str, shape)))
        axes = sheet.axes(x, top, size[1], size[0])
        height, width = shape[-2:]
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.add_patch(Rectangle((0, 0), width, height, facecolor=EMPTY, edgecolor=FAINT, linewidth=0.9))
        seen = [last - first + 1 for first, last in zip(box[: len(shape)], box[len(shape) :], strict=True)]
        if min(seen) > 0:
            first, left, _, _ = frontal(box)
            style = {"facecolor": colour, "alpha": 0.75, "edgecolor": "black", "linewidth": 0.9}
            axes.add_patch(Rectangle((left, first), seen[-1], seen[-2], **style))
        if max(height, width) <= _GRID:
            axes.hlines(range(1, height), 0, width, color="white", linewidth=0.4)
            axes.vlines(range(1, width), 0, height, color="white", linewidth=0.4)
        told = " × ".join(map(str, seen)) if min(seen) > 0 else "only padding"
        sheet.text(x, top + size[0] + 0.06, told, size=SMALL_PT)
        x += max(size[1], 0.8) + _GAP
    return sheet.figure


def box_below(below: Field, above: Field, unit: tuple[int, ...]) -> Box | None:
    """Return the units of one layer that a unit of a later one sees, inside the map; `None` without affine index maps.

    Where both fields have one, the first and the last unit that the later unit sees begin and end where it does.
    """
    ends: list[tuple[int, int]] = []
    for lower, upper, at in zip(below.reaches, above.reaches, unit, strict=True):
        if lower.index_map is None or upper.index_map is None or not below.is_map or not lower.index_map[0]:
            return None
        (jump, low, high), (step, start, stop) = lower.index_map, upper.index_map
        first, last = (step * at + start - low) / jump, (step * at + stop - high) / jump
        if Fraction(first).denominator != 1 or Fraction(last).denominator != 1 or first > last:
            return None
        ends.append((max(int(first), 0), min(int(last), len(lower.first) - 1)))
    box = tuple(first for first, _ in ends) + tuple(last for _, last in ends)
    return box if all(first <= last for first, last in ends) else None
