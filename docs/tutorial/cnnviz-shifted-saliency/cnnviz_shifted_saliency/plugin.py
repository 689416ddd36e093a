"""What this package offers. Light: imports no jax, so that `cnnviz techniques` stays fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cnnviz_jax.plugin import TechniqueSpec, UsageError, hookimpl


@dataclass(frozen=True, kw_only=True)
class ShiftedSaliencyConfig:
    """How far the image is shifted."""

    reach_px: int = 2
    """Largest shift in pixels, up and down, left and right; (2 * reach + 1)^2 shifts in all."""

    def __post_init__(self) -> None:
        if self.reach_px < 0:
            raise UsageError(f"reach_px is 0 or more pixels, got {self.reach_px}")


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the technique."""
    yield TechniqueSpec(
        name="shifted-saliency",
        kind="explain",
        summary="gradient averaged over small shifts of the image",
        config=ShiftedSaliencyConfig,
        build="cnnviz_shifted_saliency.technique:ShiftedSaliency.build",
    )
