"""Receptive fields for the page: a table, and the boxes of the central units over the input."""

from typing import Any

from cnnviz_jax.plugin import ReceptiveFields
from cnnviz_plugins.renderers.colormaps import palette
from cnnviz_plugins.renderers.geometry import field_rows, frame_window


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
