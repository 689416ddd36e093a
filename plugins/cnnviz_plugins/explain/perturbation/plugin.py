"""The perturbation family: occlusion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.errors import UsageError, WindowError
from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec
from cnnviz_jax.wording import word_and_number

FILLS = {"mean": False, "model-mean": False, "blur": True, "noise": False}
"""Words that `fill` may be, and whether each takes a number."""


@dataclass(frozen=True, kw_only=True)
class OcclusionConfig:
    """What covers the picture, where, and what is read off."""

    window: int | tuple[int, int] | None = None
    """Height and width of the cover in pixels (one number for both); a seventh of the short side when not given."""
    stride: int | tuple[int, int] | None = None
    """Step between neighbouring windows in pixels; a quarter of the window when not given."""
    fill: float | tuple[float, ...] | str = 0.5
    """What covers: a pixel value, one per channel, or `mean` (of the picture), `model-mean` (what the model
    subtracts), `blur(sigma in pixels)`, `noise` (uniform)."""
    edge: Literal["full", "truncate"] = "full"
    """`full`: only whole windows. `truncate`: one more at the border, cut off there, as Captum does."""
    score: Literal["drop", "raw", "one_minus", "distribution"] = "drop"
    """`drop`: score less covered score. `raw`: the covered score. `one_minus`: 1 less it. `distribution`: total
    variation distance between the predicted distributions."""
    gather: Literal["grid", "average", "sum"] = "grid"
    """`grid`: one number per window, enlarged. `average` or `sum`: per pixel, over the windows that cover it."""
    channels: tuple[int, ...] | None = None
    """Which channels are covered; all when not given."""

    def __post_init__(self) -> None:
        for word, value in (("window", self.window), ("stride", self.stride)):
            sizes = value if isinstance(value, tuple) else (value,)
            if value is not None and (len(sizes) not in (1, 2) or any(not isinstance(n, int) or n < 1 for n in sizes)):
                raise WindowError(f"{word} is one or two positive whole numbers of pixels, got {value!r}")
        if isinstance(self.fill, str):
            word, number = word_and_number(self.fill, "fill", FILLS)
            if word == "blur" and not (number or 0) > 0:
                raise UsageError(f"fill: blur takes a positive sigma in pixels, got {self.fill!r}")


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the perturbation family."""
    yield TechniqueSpec(
        name="occlusion",
        kind="explain",
        summary="how much the score falls when each window of the picture is covered",
        config=OcclusionConfig,
        build="cnnviz_plugins.explain.perturbation.occlusion:Occlusion.build",
        references=("Zeiler, Fergus 2013, arXiv:1311.2901, section 4.2",),
    )
