"""Results that the page has no view of its own for, as the image that the figure renderer draws."""

import io
from typing import Any

from PIL import Image

from cnnviz_plugins.renderers.figure import figure
from cnnviz_plugins.renderers.figures.sheet import pinned_style
from cnnviz_plugins.renderers.images import data_uri

_DPI = 110


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
