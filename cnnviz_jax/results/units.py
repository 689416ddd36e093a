"""What is returned about units: their exemplars in a data set and how their values are distributed.

Arrays cover all units of the layer; `units` says which of them are drawn. Nothing is normalised for display.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cnnviz_jax.errors import UsageError
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.result import Result
from cnnviz_jax.results.tables import Tabular

Groups = tuple[tuple[int, ...], ...]
"""Units that belong together, each group rising."""

_AXES = {
    1: (("step",), ("first", "last")),
    2: (("row", "column"), ("top", "left", "bottom", "right")),
    3: (("slice", "row", "column"), ("front", "top", "left", "back", "bottom", "right")),
}
"""What places and the ends of boxes are called, by the number of spatial axes."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Exemplars(Tabular, Result):
    """The k images that fire each unit (channel) of a layer most, strongest first."""

    layer: str
    value: Float[np.ndarray, "c k"]
    """The unit's value there; -inf where there were fewer than k."""
    id: Int[np.ndarray, "c k"]
    """Number of the image in the data set; -1 where there were fewer than k."""
    place: Int[np.ndarray, "c k axes"]
    """Row and column in the layer's map; the step of a series, slice, row and column of a volume."""
    box: Int[np.ndarray, "c k 2*axes"]
    """Top, left, bottom, right (inclusive) of what the unit sees there, inside the image; first and last step of a
    series, front, top, left, back, bottom, right of a volume."""
    threshold: float
    """A unit fires above this."""
    fired: Int[np.ndarray, " c"]
    """Images in which it does."""
    nonfinite: Int[np.ndarray, " c"]
    """Images left out for the unit because its map held values that are not finite."""
    image_count: int
    """Images that were read."""
    units: tuple[int, ...]
    """Units whose images are in `images`."""
    images: Float[np.ndarray, "m ..."]
    """The images of `units`, each once; series and volumes with their own axes."""
    image_ids: Int[np.ndarray, " m"]
    """Their numbers, rising."""
    names: tuple[str, ...]
    """Their names."""
    labels: Int[np.ndarray, " m"]
    """Their classes; -1 where unknown."""
    class_names: tuple[str, ...]
    """Names of the classes; none without labels."""
    class_means: Float[np.ndarray, "classes c"] | None
    """Mean over a class's images of each one's largest positive value; of relevance, over the images explained for that
    class, of the value that they are ranked by."""
    selectivity: Float[np.ndarray, " c"] | None
    """From 0, alike for all classes, to 1, one class only."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    """Levels below the maximum, as quantiles of each unit's maxima over a sample of images; none unless asked for."""
    level_quantile: Float[np.ndarray, "c l"] | None = None
    """The value at each level."""
    level_value: Float[np.ndarray, "c l level_k"] | None = None
    """The unit's maximum on the images nearest to it; -inf where there were fewer."""
    level_id: Int[np.ndarray, "c l level_k"] | None = None
    """Their numbers; -1 where there were fewer."""
    level_place: Int[np.ndarray, "c l level_k axes"] | None = None
    """Where in the layer's map, as `place`."""
    level_box: Int[np.ndarray, "c l level_k 2*axes"] | None = None
    """What the unit sees there, as `box`."""
    sampled: int = 0
    """Images of that sample."""
    quantity: str = "activation"
    """What `value` is of the unit, and what `fired`, `threshold` and `class_means` speak of: its `activation`, or its
    `relevance` for a class."""

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per unit and entry, strongest first: the image's number, the value, its place and its box."""
        axes, ends = _AXES[self.place.shape[-1]]
        return [
            {
                "unit": int(unit),
                "rank": int(rank),
                "image": int(self.id[unit, rank]),
                "value": float(self.value[unit, rank]),
                **dict(zip(axes, self.place[unit, rank].tolist(), strict=True)),
                **dict(zip(ends, self.box[unit, rank].tolist(), strict=True)),
            }
            for unit, rank in zip(*np.nonzero(self.id >= 0), strict=True)
        ]

    def image(self, unit: int, rank: int) -> Float[np.ndarray, "..."]:
        """Return the whole image of a unit's entry.

        Raises:
            UsageError: The image is not kept: the unit is not among `units`, or has fewer entries.
        """
        number = int(self.id[unit, rank])
        at = int(np.searchsorted(self.image_ids, number))
        if number < 0 or at >= len(self.image_ids) or self.image_ids[at] != number:
            raise UsageError(f"no image of unit {unit}, entry {rank}, is kept; kept are units {self.units}")
        image: np.ndarray = self.images[at]
        return image

    def crop(self, unit: int, rank: int) -> Float[np.ndarray, "..."]:
        """Return the part of the image that the unit sees there; without a pixel where it sees only padding.

        Of a series it is an interval, of a volume a box.

        Raises:
            UsageError: The image is not kept.
        """
        ends = self.box[unit, rank]
        firsts, lasts = ends[: len(ends) // 2], ends[len(ends) // 2 :]
        return self.image(unit, rank)[tuple(slice(a, b + 1) for a, b in zip(firsts, lasts, strict=True))]


@dataclass(frozen=True, kw_only=True, repr=False)
class Distributions(Tabular, Result):
    """How the values of each unit (channel) of a layer are spread over all positions of all images."""

    layer: str
    image_count: int
    """Images that were read."""
    positions: int
    """Positions of one image."""
    count: Int[np.ndarray, "c bins"]
    """Histogram."""
    edges: Float[np.ndarray, " e"]
    """Borders of the bins, from -inf to inf; zero has a bin of its own."""
    minimum: Float[np.ndarray, " c"]
    maximum: Float[np.ndarray, " c"]
    mean: Float[np.ndarray, " c"]
    deviation: Float[np.ndarray, " c"]
    """Standard deviation over the data set."""
    shares: tuple[float, ...]
    """Which quantiles."""
    quantiles: Float[np.ndarray, "c q"]
    fire_rate: Float[np.ndarray, " c"]
    """Share of positions above zero."""
    image_rate: Float[np.ndarray, " c"]
    """Share of images with any position above zero."""
    dead: tuple[int, ...]
    """Units that are never above zero."""
    saturated: tuple[int, ...]
    """Units that sit at their largest size nearly always."""
    always_on: tuple[int, ...]
    """Units that are above zero at every position."""
    twins: Groups
    """Units that say the same, by correlation."""
    correlation: Float[np.ndarray, "c c"]
    """Of values at the same place, over a sample; 0 for units that never change."""
    sampled: int
    """Places in that sample."""
    nonfinite: Int[np.ndarray, " c"]
    """Positions that were not finite."""
    class_names: tuple[str, ...]
    class_means: Float[np.ndarray, "classes c"] | None
    """Mean over a class's images of each one's largest positive value."""
    selectivity: Float[np.ndarray, " c"] | None
    units: tuple[int, ...]
    """Units to draw."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per unit, in words and numbers."""
        state = dict.fromkeys(self.dead, "dead") | dict.fromkeys(self.saturated, "saturated")
        state |= dict.fromkeys(self.always_on, "always on")
        twin = {unit: group for group in self.twins for unit in group}
        rows: list[dict[str, float | int | str]] = []
        for unit in range(len(self.mean)):
            others = [str(other) for other in twin.get(unit, ()) if other != unit]
            rows.append(
                {
                    "unit": unit,
                    "mean": float(self.mean[unit]),
                    "deviation": float(self.deviation[unit]),
                    "minimum": float(self.minimum[unit]),
                    "maximum": float(self.maximum[unit]),
                    "fire_rate": float(self.fire_rate[unit]),
                    "image_rate": float(self.image_rate[unit]),
                    "state": state.get(unit, ""),
                    "twins": " ".join(others),
                }
            )
        return rows


@dataclass(frozen=True, kw_only=True, repr=False)
class Dissection(Tabular, Result):
    """How much the strongest places of each unit (channel) of a layer overlap each concept."""

    layer: str
    image_count: int
    """Images that were read."""
    concepts: tuple[str, ...]
    """Names, such as `texture:dots`, the category before the colon."""
    iou: Float[np.ndarray, "c concepts"]
    """Pixels where unit and concept are both there over pixels where either is, in the whole data set."""
    threshold: Float[np.ndarray, " c"]
    """A unit is active where its map is above this."""
    share: float
    """Share of a unit's values that may lie above its threshold."""
    detector_at: float
    """A unit is a detector of a concept above this overlap."""
    units: tuple[int, ...]
    """Units that are drawn."""
    images: Float[np.ndarray, "u k ..."]
    """Their best images; series and volumes with their own axes."""
    masks: Bool[np.ndarray, "u k *axes"]
    """Where in them the unit is above its threshold."""
    ids: Int[np.ndarray, "u k"]
    """Numbers of those images; -1 where there were fewer than k."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    concept_id: Int[np.ndarray, "concepts shown"] | None = None
    """Numbers of the images that show each concept in most pixels; -1 where fewer show it."""
    concept_pixels: Int[np.ndarray, "concepts shown"] | None = None
    """In how many."""
    concept_images: Int[np.ndarray, " concepts"] | None = None
    """Images that show it at all."""

    @property
    def detectors(self) -> dict[int, str]:
        """The concept of each unit that is a detector: that of its largest overlap, if it exceeds `detector_at`."""
        best = self.iou.argmax(1)
        return {unit: self.concepts[best[unit]] for unit in range(len(best)) if self.iou[unit].max() > self.detector_at}

    def table(self) -> list[dict[str, float | int | str]]:
        """Return one row per unit: its best concept, the overlap, and whether it is a detector."""
        best, detectors = self.iou.argmax(1), self.detectors
        return [
            {
                "unit": unit,
                "concept": self.concepts[best[unit]],
                "iou": float(self.iou[unit, best[unit]]),
                "threshold": float(self.threshold[unit]),
                "state": "detector" if unit in detectors else "",
            }
            for unit in range(len(best))
        ]


def grouped(alike: Bool[np.ndarray, "c c"]) -> Groups:
    """Return the groups of two and more units that a symmetric table joins, directly or through others."""
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(alike, directed=False)
    groups = (tuple(np.flatnonzero(label == number).tolist()) for number in dict.fromkeys(label.tolist()))
    return tuple(group for group in groups if len(group) > 1)
