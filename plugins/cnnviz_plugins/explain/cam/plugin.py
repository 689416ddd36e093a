"""The CAM family: Grad-CAM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.hookspecs import hookimpl
from cnnviz_jax.records import TechniqueSpec


@dataclass(frozen=True, kw_only=True)
class GradCamConfig:
    """Which layer, and what is done with its weighted channels."""

    layer: str | None = None
    """Layer whose map is weighted; the last one with more than one position when not given."""
    relu: bool = True
    """Keep only what speaks for the target, as the paper does."""
    channels: Literal["sum", "each"] = "sum"
    """`sum` adds the weighted channels up, as the paper does; `each` returns them one by one."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the CAM family."""
    yield TechniqueSpec(
        name="grad-cam",
        kind="explain",
        summary="a layer's channels, weighted by their mean gradient",
        config=GradCamConfig,
        build="cnnviz_plugins.explain.cam.grad_cam:GradCam.build",
        references=("Selvaraju et al. 2017, arXiv:1610.02391",),
    )
