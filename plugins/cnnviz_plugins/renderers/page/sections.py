"""Sections of the page and the images inside it: fields, filters, synthesised images, and figures for all else."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from cnnviz_jax.plugin import FilterBank, ReceptiveFields, Synthesis
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.display import Scale
from cnnviz_plugins.renderers.figure import figure
from cnnviz_plugins.renderers.figures.sheet import pinned_style
from cnnviz_plugins.renderers.figures.synthesis import STATUS_WORDS, short_label
from cnnviz_plugins.renderers.geometry import field_rows, frame_window
from cnnviz_plugins.renderers.images import atlas, channel_note, data_uri, indexed_png, png, rgb
from cnnviz_plugins.renderers.kernels import filter_tiles
from cnnviz_plugins.renderers.options import FilterOptions
from cnnviz_plugins.renderers.text import number


@dataclass
class Embedded:
    """The images and colour bars that the page's SVG definitions hold, by identifier."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)

    def image(self, identifier: str, image: Float[np.ndarray, "h w c"]) -> dict[str, Any]:
        """Take in an image and return what the template needs to draw it."""
        height, width, channels = image.shape
        if identifier not in self.images:
            self.images[identifier] = {"uri": data_uri(png(rgb(image))), "width": width, "height": height}
        return {
            "id": identifier,
            "width": width,
            "height": height,
            "is_small": max(height, width) < 160,
            "note": channel_note(channels),
        }

    def bar(self, scale: Scale, colormap: str, unit: str) -> dict[str, Any]:
        """Take in a colour map and return a horizontal colour bar with its limits in words."""
        identifier = f"bar-{colormap}"
        if identifier not in self.images:
            strip = indexed_png(np.arange(256, dtype=np.uint8)[None], palette(colormap))
            self.images[identifier] = {"uri": data_uri(strip), "width": 256, "height": 1}
        is_zero = scale.high <= scale.low
        return {
            "id": identifier,
            "low": "" if is_zero else number(scale.low),
            "high": "" if is_zero else number(scale.high),
            "zero_at": round(100 * scale.zero, 1) if 0 < scale.zero < 1 and not is_zero else None,
            "is_zero": is_zero,
            "unit": unit,
            "caption": scale.caption,
        }


_DPI = 110


def field_section(result: ReceptiveFields, summary: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows and boxes; the boxes are drawn over the first image that has the input's size."""
    rows = field_rows(result)
    height, width, _ = result.input_shape
    left, top, right, bottom = frame_window(rows, (height, width))
    fitting = [one for one in images if (one["height"], one["width"]) == (height, width)]
    colours = palette("plasma")
    table = []
    for k, row in enumerate(rows):
        red, green, blue = colours[int(70 + 165 * (len(rows) - 1 - k) / max(len(rows) - 1, 1))]
        table.append(
            {
                "layer": row.layer,
                "kind": row.kind,
                "size": row.size_text,
                "stride": row.stride_text,
                "padding": row.padding_text,
                "is_aligned": row.is_aligned,
                "is_whole": row.is_whole,
                "colour": f"#{red:02x}{green:02x}{blue:02x}",
                "box": {
                    "x": row.box[1],
                    "y": row.box[0],
                    "width": row.box[3] - row.box[1] + 1,
                    "height": row.box[2] - row.box[0] + 1,
                },
                "is_drawn": row.is_first_of_box,
            }
        )
    return {
        "summary": summary,
        "rows": table,
        "width": width,
        "height": height,
        "view": f"{left} {top} {right - left} {bottom - top}",
        "stroke": round((right - left) / 180, 3),
        "image": fitting[0] if fitting else None,
        "warnings": result.warnings,
        "is_misaligned": any(not row.is_aligned for row in rows),
    }


def figure_section(result: Any, summary: str) -> dict[str, Any]:
    """Return the result's figure as an image inside the page.

    Raises:
        RenderError: The result has no figure either.
    """
    buffer = io.BytesIO()
    with pinned_style():
        figure(result).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None}, facecolor="white")
    with Image.open(io.BytesIO(buffer.getvalue())) as image:
        width, height = image.size
    return {
        "technique": result.provenance.technique,
        "summary": summary,
        "uri": data_uri(buffer.getvalue()),
        "width": width,
        "height": height,
        "warnings": result.warnings,
    }


def filter_section(bank: FilterBank, summary: str, options: FilterOptions, embedded: Embedded) -> dict[str, Any]:
    """Return the filters of one layer, one tile or one strip of tiles each."""
    shown = filter_tiles(bank, options)
    per = shown.per_filter
    filters = []
    for k, filter_number in enumerate(shown.numbers):
        # One pixel of mid-grey parts the input channels of a strip.
        strip = atlas(shown.tiles[k * per : (k + 1) * per], per, margin=0 if per == 1 else 1, background=128)
        norm = shown.norms[k]
        filters.append(
            {
                "number": filter_number,
                "uri": data_uri(png(strip)),
                "width": strip.shape[1],
                "height": strip.shape[0],
                "norm": number(norm),
                "is_zero": norm == 0,
            }
        )
    unit = "w / ‖w‖" if options.norm == "unit" else "w"
    is_signed = shown.colormap is not None and options.scale == "shared"
    return {
        "technique": bank.provenance.technique,
        "summary": summary,
        "layer": bank.layer,
        "filters": filters,
        "is_strip": per > 1,
        "caption": shown.caption,
        "note": shown.note,
        "bar": embedded.bar(shown.scales[0], shown.colormap or "gray", unit) if is_signed else None,
        "warnings": bank.warnings,
    }


def synthesis_section(synthesis: Synthesis, summary: str, limit: int) -> dict[str, Any]:
    """Return the synthesised images with objective, status and a small curve each."""
    images, curves = np.asarray(synthesis.images), np.asarray(synthesis.curves, np.float64)
    activation = np.asarray(synthesis.activation)
    count = min(len(images), limit)
    cells = []
    for k in range(count):
        status = synthesis.status[k]
        is_shown = status == "ok"
        cells.append(
            {
                "label": short_label(synthesis, k),
                "status": status,
                "reason": STATUS_WORDS[status].replace("\n", " "),
                "uri": data_uri(png(rgb(images[k]))) if is_shown else None,
                "reached": number(float(activation[k]), 4) if np.isfinite(activation[k]) else "not finite",
                "curve": spark(curves[k]) if is_shown else "",
            }
        )
    good = sum(status == "ok" for status in synthesis.status)
    return {
        "technique": synthesis.provenance.technique,
        "summary": summary,
        "layer": synthesis.provenance.layer or "",
        "cells": cells,
        "width": images.shape[2],
        "height": images.shape[1],
        "steps": curves.shape[1],
        "good": good,
        "total": len(images),
        "left_out": len(images) - count,
        "note": channel_note(images.shape[-1]),
        "warnings": synthesis.warnings,
    }


def spark(curve: np.ndarray) -> str:
    """Return the points of a curve in a 100 x 24 box, at most 100 of them; empty where it is not finite."""
    if curve.size < 2 or not np.isfinite(curve).all():
        return ""
    steps = np.unique(np.linspace(0, curve.size - 1, min(curve.size, 100)).round().astype(int))
    low, high = float(curve.min()), float(curve.max())
    x = 100 * steps / (curve.size - 1)
    y = 22 - 20 * (curve[steps] - low) / (high - low or 1.0)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
