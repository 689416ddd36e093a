"""The survey family: exemplars, distributions and dissection of a layer's units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import TechniqueSpec, hookimpl


@dataclass(frozen=True, kw_only=True)
class ExemplarsConfig:
    """Which units, and how many images of each."""

    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units whose images are kept and drawn; the first six that fire when not given. Numbers cover all units."""
    k: int = 9
    """Entries per unit."""
    entries: Literal["image", "position"] = "image"
    """`image`: one entry per image, its strongest position. `position`: every position competes."""
    threshold: float = 0.0
    """A unit fires above this value."""


@dataclass(frozen=True, kw_only=True)
class DistributionsConfig:
    """Which units, and when they count as saturated or twins."""

    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units drawn as ridgelines; up to 16 spread over the fire rates when not given. Numbers cover all units."""
    bins_per_octave: int = 4
    """Histogram bins from a value to its double: 1, 2, 4, 8 or 16."""
    saturated_at: float = 0.9
    """A unit is saturated if at least this share of its values lies in the bin of its largest size."""
    twins_at: float = 0.95
    """Units are twins from this correlation on."""
    sample: int = 512
    """Images whose values are kept for correlations, drawn by their number."""
    positions: int = 8
    """Positions kept of each of them."""


@dataclass(frozen=True, kw_only=True)
class DissectionConfig:
    """Which units, what the masks show, and when a unit counts as a detector."""

    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""
    units: tuple[int, ...] | None = None
    """Units that are drawn; those of the largest overlap when not given. Numbers cover all units."""
    concepts: tuple[str, ...] = ()
    """Names of the masks, such as `texture:dots`, the category before the colon; the source's own when not given."""
    share: float = 0.005
    """Share of a unit's values that lie above its threshold."""
    detector_at: float = 0.04
    """A unit is a detector of a concept if their overlap, intersection over union, exceeds this."""
    shown: int = 8
    """Units drawn when none are named."""
    k: int = 4
    """Images drawn of each."""


@hookimpl
def cnnviz_techniques() -> Iterable[TechniqueSpec]:
    """Yield the survey techniques."""
    yield TechniqueSpec(
        name="exemplars",
        kind="survey",
        summary="the images, and the places in them, that fire each unit most",
        config=ExemplarsConfig,
        build="cnnviz_plugins.survey.exemplars:build",
        references=(
            "Girshick et al. 2014, arXiv:1311.2524, section 3.1",
            "Morcos et al. 2018, arXiv:1803.06959 (class selectivity)",
        ),
    )
    yield TechniqueSpec(
        name="distributions",
        kind="survey",
        summary="how each unit's values are spread: rates, quantiles, dead, saturated and twin units",
        config=DistributionsConfig,
        build="cnnviz_plugins.survey.distributions:build",
        references=("Morcos et al. 2018, arXiv:1803.06959 (class selectivity)",),
    )
    yield TechniqueSpec(
        name="dissection",
        kind="survey",
        summary="which units detect which concept: overlap of their strongest places with concept masks",
        config=DissectionConfig,
        build="cnnviz_plugins.survey.dissection:build",
        references=("Bau et al. 2017, arXiv:1704.05796, section 2",),
    )
