"""The activation family: feature maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import TechniqueSpec, hookimpl


@dataclass(frozen=True, kw_only=True)
class FeatureMapsConfig:
    """Which layer and which of its channels."""

    layer: str | None = None
    """Layer whose maps are shown; the last one with more than one position when not given."""
    channels: tuple[int, ...] | None = None
    """Which channels, in this order; all when not given."""
    select: Literal["given", "strongest", "most_variable"] = "given"
    """`strongest`: by largest value, `most_variable`: by standard deviation over positions, per image, best first."""
    count: int | None = None
    """Only the first so many of them; all when not given."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the activation family."""
    yield TechniqueSpec(
        name="feature-maps",
        kind="explain",
        summary="what each channel of a layer answers to the image, and where",
        config=FeatureMapsConfig,
        build="cnnviz_plugins.explain.activation.feature_maps:FeatureMaps.build",
        references=("Yosinski et al. 2015, arXiv:1506.06579, section 2",),
    )
