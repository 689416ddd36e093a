"""Receptive fields as rows of a table and boxes over the input; pages and figures share it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz_jax.plugin import Field, ReceptiveFields

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in input pixels, the ends included."""


@dataclass(frozen=True, kw_only=True)
class FieldRow:
    """What one layer sees, in words and as the box of its central unit."""

    layer: str
    kind: str
    size_text: str
    stride_text: str
    padding_text: str
    is_aligned: bool
    widened_by: str = ""
    """Where units begin to see more than convolutions and pools show them; else empty."""
    box: Box
    """Of the central unit; it leaves the input where padding is seen."""
    is_first_of_box: bool
    """Whether no earlier layer has the same box, so that it is worth drawing."""


def field_rows(result: ReceptiveFields) -> list[FieldRow]:
    """Return one row per layer, in execution order."""
    extents = result.input_shape[:-1]
    rows: list[FieldRow] = []
    drawn: set[tuple[int, ...]] = set()
    for layer, field in result.fields.items():
        whole = (0,) * len(extents) + tuple(extent - 1 for extent in extents)
        box = whole if field.is_global else central_box(field)
        ends = zip(box[: len(extents)], box[len(extents) :], strict=True)
        sees_something = all(first <= last for first, last in ends)  # a unit may see nothing but padding
        rows.append(
            FieldRow(
                layer=layer,
                kind=result.kinds.get(layer, ""),
                size_text=_size_text(field),
                stride_text=_in_brackets(field.nominal_stride) if field.is_global else _pair(field.stride),
                padding_text="" if field.is_global else _pair(field.padding),
                is_aligned=field.aligned,
                widened_by=field.widened_by if field.is_widened else "",
                box=frontal(box),
                is_first_of_box=sees_something and box not in drawn,
            )
        )
        drawn.add(box)
    return rows


def _size_text(field: Field) -> str:
    if not field.is_global:
        return _pair(field.size)
    return f"whole {_in_brackets(field.nominal_size)}" if field.is_widened else "whole input"


def frontal(box: tuple[int, ...]) -> Box:
    """Return a box's rows and columns: of a volume, as it is seen from the front."""
    axes = len(box) // 2
    return box[axes - 2], box[axes - 1], box[-2], box[-1]


def _in_brackets(pair: tuple[int | float, ...] | None) -> str:
    return "" if pair is None else f"({_pair(pair)})"


def central_box(field: Field) -> tuple[int, ...]:
    """Return what a layer's central unit sees: with padding where an affine index map holds, else the exact box."""
    return field.box(*(units // 2 for units in field.shape), clip=field.stride is None)


def frame_window(rows: Sequence[FieldRow], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what a drawing shows: the input and the boxes, at most a quarter beyond it."""
    height, width = shape
    beyond_y = min(max([0, *(-row.box[0] for row in rows), *(row.box[2] + 1 - height for row in rows)]), height // 4)
    beyond_x = min(max([0, *(-row.box[1] for row in rows), *(row.box[3] + 1 - width for row in rows)]), width // 4)
    edge = math.ceil(max(height, width) / 60)
    return -beyond_x - edge, -beyond_y - edge, width + beyond_x + edge, height + beyond_y + edge


def _pair(pair: tuple[int | float, ...] | None) -> str:
    if pair is None:
        return "varies"
    texts = [f"{float(value):.4g}".replace("-", "−") for value in pair]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)
