"""Figures that a family draws of results of its own, as files."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from cnnviz_jax.plugin import UsageError

DPI = 120
STYLE = {"svg.hashsalt": "cnnviz", "font.size": 8}
"""What such figures are drawn and written with; the salt makes SVG files of one result the same."""


def write_figure(drawn: Figure, path: Path, dpi: int) -> None:
    """Write a figure to `path`; its suffix says whether as PNG, SVG or PDF, and no date stands in it.

    Raises:
        UsageError: The dpi is out of range.
    """
    if not 30 <= dpi <= 1200:
        raise UsageError(f"dpi is {dpi:g}; it must lie from 30 to 1200")
    with matplotlib.rc_context(STYLE):
        metadata: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix, {})
        drawn.savefig(path, dpi=dpi, metadata=metadata)
