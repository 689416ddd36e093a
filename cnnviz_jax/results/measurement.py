"""What measures return: how faithful maps are, in numbers."""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.provenance import Provenance
from cnnviz_jax.results.pytrees import static
from cnnviz_jax.results.result import Result

Better = Literal["higher", "lower"]
"""Which way a more faithful map moves a measure's number."""


Reduction = Literal["max_abs", "sum", "sum_abs"]
"""How the channels of a pixel map become one number: the largest |value|, the signed sum, the sum of |values|."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a measure finds for one image (or, with a leading n, for many)."""

    values: Float[Array | np.ndarray, "*n"]
    curve: Float[Array | np.ndarray, "*n points"] | None = None
    """The numbers behind the value, where it is made of several."""
    extras: dict[str, Shaped[Array | np.ndarray, "..."]] = field(default_factory=dict)
    """Further numbers by name."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement(Result):
    """How faithful maps are by one measure: a number per image, and the curve behind it."""

    values: Float[Array | np.ndarray, " n"]
    """One number per image; NaN where the measure is undefined, which `warnings` say."""
    curve: Float[Array | np.ndarray, "n points"] | None
    """The numbers behind each value, where it is made of several."""
    scores: Float[Array | np.ndarray, " n"]
    """The explained score on the untouched image."""
    images: Float[Array | np.ndarray, "n h w c"]
    extras: dict[str, Shaped[Array | np.ndarray, "..."]] = field(default_factory=dict)
    """Further numbers by name."""
    at: tuple[float, ...] = static(default=())
    """Where the points of the curve stand."""
    axis: str = static(default="")
    """What `at` counts."""
    labels: tuple[str, ...] = static(default=())
    """A word for each point of the curve, where points have names."""
    better: Better = static(default="higher")
    """Which way a more faithful map moves the number."""
    explained_by: str = static(default="")
    """The technique that made the maps."""
    provenance: Provenance = static(kw_only=True)
    warnings: tuple[str, ...] = static(default=())

    @property
    def mean(self) -> float:
        """The mean over the images it is defined for, the measure's number for the technique; NaN if for none."""
        values = np.asarray(self.values, np.float64)
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Result):
    """Several techniques by several measures on the same images."""

    model: str
    techniques: tuple[str, ...]
    """Those that were measured, in the order asked for."""
    metrics: tuple[str, ...]
    measurements: dict[str, dict[str, Measurement]]
    """By technique, then by measure; a measure that refused a technique is absent there."""
    attributions: dict[str, Attribution]
    """By technique."""
    refused: dict[str, str]
    """What could not be run, with the reason; `technique` or `technique / measure`."""
    images: Float[np.ndarray, "n h w c"]
    names: tuple[str, ...]
    """One per image."""
    targets: tuple[str, ...]
    """What was explained, one text per image."""
    elapsed_s: dict[str, float]
    """Time to explain all images, by technique."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()

    def ranks(self, metric: str) -> dict[str, float]:
        """Return the place of each technique by one measure, 1 for the most faithful; equal ones share a place."""
        found = {name: by[metric] for name, by in self.measurements.items() if metric in by}
        sign = -1 if any(each.better == "higher" for each in found.values()) else 1
        means = {name: sign * each.mean for name, each in found.items()}
        return {
            name: 1
            + sum(other < mean for other in means.values())
            + (sum(other == mean for other in means.values()) - 1) / 2
            for name, mean in means.items()
        }

    @property
    def ranking(self) -> tuple[str, ...]:
        """The techniques, the most faithful first: by the mean of their places, then by name."""
        return tuple(sorted(self.techniques, key=lambda name: (self.mean_rank(name), name)))

    def mean_rank(self, technique: str) -> float:
        """Return the mean of a technique's places over the measures it has."""
        places = [self.ranks(metric)[technique] for metric in self.metrics if metric in self.measurements[technique]]
        return float(np.mean(places)) if places else float("inf")

    def rows(self) -> list[dict[str, Any]]:
        """Return the table, the most faithful technique first: its mean by each measure, place and time."""
        table = []
        for name in self.ranking:
            row: dict[str, Any] = {"technique": name}
            for metric in self.metrics:
                found = self.measurements[name].get(metric)
                row[metric] = None if found is None else found.mean
            place = self.mean_rank(name)
            row |= {"mean place": place if np.isfinite(place) else None, "seconds": round(self.elapsed_s[name], 2)}
            table.append(row)
        return table
