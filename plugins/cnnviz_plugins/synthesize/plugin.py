"""Synthesis: activation maximisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.errors import UsageError
from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec


@dataclass(frozen=True, kw_only=True)
class ActivationMaximizationConfig:
    """Which recipe, on what canvas, and how long."""

    recipe: Literal["chollet2016"] = "chollet2016"
    """A published set of start, steps, update and display."""
    size: int | tuple[int, int] | None = None
    """Height and width of the canvas in pixels; the recipe's own when not given, or the model's input size where a
    dense layer fixes it (the result says so)."""
    steps: int | None = None
    """Steps of ascent; the recipe's own when not given."""

    def __post_init__(self) -> None:
        sizes = self.size if isinstance(self.size, tuple) else (self.size,)
        if self.size is not None and (len(sizes) not in (1, 2) or any(not isinstance(n, int) or n < 1 for n in sizes)):
            raise UsageError(f"size is one or two positive whole numbers of pixels, got {self.size!r}")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps is at least 1, got {self.steps}")


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the synthesis techniques."""
    yield TechniqueSpec(
        name="activation-maximization",
        kind="synthesize",
        summary="a picture raised by gradient ascent until it excites a unit most",
        config=ActivationMaximizationConfig,
        build="cnnviz_plugins.synthesize.activation_maximization:ActivationMaximization.build",
        references=("Erhan et al. 2009, Visualizing Higher-Layer Features", "Chollet 2016, keras-team blog"),
    )
