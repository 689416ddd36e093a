"""The display options of the built-in renderers as keywords with types, for editors and type checkers. Light.

A test holds them to what the renderers declare, which check them at run time. Options of a renderer of one's own that
are not among these are given from a dict: `cv.render(result, path, **options)`.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class DisplayOptions(TypedDict, total=False):
    """How results are shown; each kind of result takes those that mean something for it."""

    title: str
    dpi: int
    policy: Literal["symmetric", "positive", "percentile", "full", "unit", "auto"]
    percentile: float
    reduction: Literal["max_abs", "sum_abs", "signed_sum", "l2"]
    scale: Literal["own", "shared"]
    colormap: str
    opacity: float
    limit: int
    view: Literal["auto", "colour", "channels", "grid", "curves"]
    norm: Literal["unit", "raw"]
    inputs: int
    columns: int
    extent: float
    frame_ms: int
    # Of the renderers of synthesised images alone.
    margin_px: int
    best: int
    block: int
    exemplars: int
