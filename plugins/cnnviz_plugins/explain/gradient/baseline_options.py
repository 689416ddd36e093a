"""Options that say what an image is compared with, and how a path to it is integrated; light."""

from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import FIXED_FILL_WORDS, Fill, UsageError, check_fill

Quadrature = Literal["gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "trapezoid", "endpoints"]


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """What the image is compared with."""

    baseline: Fill = "zero"
    """Where the path begins: `zero`, `value(v)` or a number or one per channel, `mean`, `model-mean`, `blur(sigma)`; in
    Python an array, (h, w, c) or one per image."""

    def __post_init__(self) -> None:
        check_fill(self.baseline, "baseline", FIXED_FILL_WORDS, arrays=True)


def words_of(baselines: tuple[str, ...] | str) -> tuple[str, ...]:
    """Return the fills by their words; an array is one."""
    return (str(baselines),) if isinstance(baselines, str) else baselines


def check_baselines(baselines: tuple[str, ...] | str) -> None:
    """Raise `UsageError` unless these are fills, at least one, or an array of images."""
    if not baselines:
        raise UsageError("baselines names at least one fill, got none")
    for fill in (baselines,) if isinstance(baselines, str) else baselines:
        check_fill(fill, "baselines", arrays=fill is baselines)


def check_nodes(quadrature: str, nodes: int) -> None:
    """Raise `UsageError` unless the rule can have so many nodes."""
    least = 2 if quadrature in ("trapezoid", "endpoints") else 1
    if nodes < least:
        raise UsageError(f"nodes is at least {least} for {quadrature}, got {nodes}")
