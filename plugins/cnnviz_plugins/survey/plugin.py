"""The survey family: exemplars, distributions and dissection of a layer's units."""

from dataclasses import dataclass
from typing import Literal

from cnnviz_jax.plugin import technique, techniques_hook


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Which layer."""

    layer: str | None = None
    """Layer whose units are looked at; the last one with more than one position when not given."""


@technique("exemplars", "survey", ".exemplars:build",
           "Girshick et al. 2014, arXiv:1311.2524, section 3.1",
           "Morcos et al. 2018, arXiv:1803.06959 (class selectivity)", result="Exemplars")  # fmt: skip
class ExemplarsConfig(LayerConfig):
    """The images, and the places in them, that fire each unit most."""

    units: tuple[int, ...] | None = None
    """Units whose images are kept and drawn; the first six that fire when not given. Numbers cover all units."""
    k: int = 9
    """Entries per unit."""
    entries: Literal["image", "position"] = "image"
    """`image`: one entry per image, its strongest position. `position`: every position competes."""
    threshold: float = 0.0
    """A unit fires above this value."""
    levels: tuple[float, ...] = ()
    """Levels below the maximum, such as 0.9, 0.75 and 0.5: images on which the unit's maximum comes nearest to that
    quantile of its maxima over a sample of images."""
    level_k: int = 2
    """Images per level."""
    sample: int = 512
    """Images of that sample, drawn by their number."""


@technique(
    "distributions",
    "survey",
    ".distributions:build",
    "Morcos et al. 2018, arXiv:1803.06959 (class selectivity)",
    result="Distributions",
)
class DistributionsConfig(LayerConfig):
    """How each unit's values are spread: rates, quantiles, dead, saturated and twin units."""

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


@technique(
    "dissection", "survey", ".dissection:build", "Bau et al. 2017, arXiv:1704.05796, section 2", result="Dissection"
)
class DissectionConfig(LayerConfig):
    """Which units detect which concept: overlap of their strongest places with concept masks."""

    units: tuple[int, ...] | None = None
    """Units that are drawn; those of the largest overlap when not given. Numbers cover all units."""
    masks: str = "concepts"
    """The field in which images bring their masks (concepts, height, width); of series (concepts, steps), of
    volumes (concepts, depth, height, width)."""
    concepts: tuple[str, ...] = ()
    """Names of the masks, such as `texture:dots`, the category before the colon; the source's own when not given."""
    share: float = 0.005
    """Share of a unit's values that lie above its threshold."""
    detector_at: float = 0.04
    """A unit is a detector of a concept if their overlap, intersection over union, exceeds this."""
    concept_k: int = 9
    """Images kept of each concept, those that show it in most pixels."""
    shown: int = 8
    """Units drawn when none are named."""
    k: int = 4
    """Images drawn of each."""


cnnviz_techniques = techniques_hook(__name__)
