"""The gradient family: saliency, SmoothGrad, guided backpropagation, DeconvNet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.errors import UsageError
from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec
from cnnviz_jax.wording import word_and_number

GradientMethod = Literal["saliency", "guided-backprop", "deconvnet"]


@dataclass(frozen=True, kw_only=True)
class SaliencyConfig:
    """Nothing to choose: the gradient is stored signed, and how channels are shown is the renderer's policy."""


@dataclass(frozen=True, kw_only=True)
class GuidedBackpropConfig:
    """Nothing to choose: every true ReLU passes only positive gradients where its input was positive."""


@dataclass(frozen=True, kw_only=True)
class DeconvnetConfig:
    """Nothing to choose: every true ReLU passes only positive gradients, whatever its input was."""


@dataclass(frozen=True, kw_only=True)
class SmoothgradConfig:
    """How much noise, how often, and which gradient."""

    samples: int = 50
    """Noisy copies of each picture."""
    noise: str = "relative(0.15)"
    """Standard deviation of the Gaussian noise: `relative(share)` of each picture's max - min, or `absolute(value)`."""
    method: GradientMethod = "saliency"
    """Which gradient is averaged."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UsageError(f"samples is at least 1, got {self.samples}")
        if (self.sigma[1]) < 0:
            raise UsageError(f"noise is not negative, got {self.noise!r}")

    @property
    def sigma(self) -> tuple[str, float]:
        """The unit and the number of `noise`."""
        unit, number = word_and_number(self.noise, "noise", {"relative": True, "absolute": True})
        return unit, number or 0.0


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the gradient family."""
    here = "cnnviz_plugins.explain.gradient"
    yield TechniqueSpec(
        name="saliency",
        kind="explain",
        summary="gradient of the score with respect to each pixel",
        config=SaliencyConfig,
        build=f"{here}.saliency:Saliency.build",
        references=("Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034",),
    )
    yield TechniqueSpec(
        name="smoothgrad",
        kind="explain",
        summary="gradient averaged over noisy copies of the picture",
        config=SmoothgradConfig,
        build=f"{here}.smoothgrad:Smoothgrad.build",
        references=("Smilkov et al. 2017, arXiv:1706.03825",),
    )
    yield TechniqueSpec(
        name="guided-backprop",
        kind="explain",
        summary="gradient through ReLUs that pass only positive evidence of active units",
        config=GuidedBackpropConfig,
        build=f"{here}.guided_backprop:GuidedBackprop.build",
        references=("Springenberg et al. 2014, arXiv:1412.6806",),
    )
    yield TechniqueSpec(
        name="deconvnet",
        kind="explain",
        summary="gradient through ReLUs that pass only positive evidence",
        config=DeconvnetConfig,
        build=f"{here}.deconvnet:Deconvnet.build",
        references=("Zeiler, Fergus 2013, arXiv:1311.2901",),
    )
