"""What measures return: how faithful maps are, in numbers."""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from cnnviz_jax.results.attribution import Attribution
from cnnviz_jax.results.intervals import interval, is_apart, places, resampled_means
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
    pooled: bool = static(default=False)
    """Whether all images share one number, which no resampling of them tells the spread of."""
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
        means = {name: each.mean for name, each in self._by(metric).items()}
        known = {name: self._sign(metric) * mean for name, mean in means.items() if not np.isnan(mean)}
        found = places(np.asarray(list(known.values()))[:, None])
        return dict(zip(known, found[:, 0].tolist(), strict=True))

    @property
    def ranking(self) -> tuple[str, ...]:
        """The techniques, the most faithful first: by the mean of their places, then by name."""
        return tuple(sorted(self.techniques, key=lambda name: (self.mean_rank(name), name)))

    def mean_rank(self, technique: str) -> float:
        """Return the mean of a technique's places over the measures it has."""
        ranks = [self.ranks(metric) for metric in self.metrics]
        found = [each[technique] for each in ranks if technique in each]
        return float(np.mean(found)) if found else float("inf")

    def intervals(self, metric: str) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each technique's mean by one measure, by bootstrap over the images.

        The resamples are the same in every call and for every technique. There is no interval with fewer than two
        images, nor for a measure that makes one number of all images.
        """
        found = self._by(metric)
        if len(self.images) < 2 or not found or any(each.pooled for each in found.values()):
            return {}
        rows = np.stack([np.asarray(each.values, np.float64) for each in found.values()])
        ends = {name: interval(row) for name, row in zip(found, resampled_means(rows), strict=True)}
        return {name: pair for name, pair in ends.items() if pair is not None}

    def alike(self, technique: str, other: str, metric: str) -> bool:
        """Whether two techniques cannot be told apart by one measure.

        They can where the 95 % interval of the mean difference, image by image, does not hold 0.
        """
        by = self._by(metric)
        if not self.intervals(metric) or technique not in by or other not in by:
            return False
        one, two = (np.asarray(by[name].values, np.float64) for name in (technique, other))
        return not is_apart(one, two)

    def leading(self, metric: str) -> tuple[str, ...]:
        """Return the best technique by one measure, then those that cannot be told apart from it, by place."""
        ranks = sorted(self.ranks(metric).items(), key=lambda item: (item[1], item[0]))
        if not ranks:
            return ()
        best, place = ranks[0]
        return tuple(name for name, own in ranks if name == best or own == place or self.alike(best, name, metric))

    def mean_rank_intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each technique's mean place, over the same resampled images for all."""
        if len(self.images) < 2:
            return {}
        names, total, count = list(self.techniques), None, 0
        for metric in self.metrics:
            by = self._by(metric)
            rows = np.full((len(names), len(self.images)), np.nan)
            for name, each in by.items():
                rows[names.index(name)] = np.asarray(each.values, np.float64)
            found = places(self._sign(metric) * resampled_means(rows))
            known = ~np.isnan(found)
            total = np.where(known, found, 0) + (0 if total is None else total)
            count = known + count
        if total is None:
            return {}
        means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        ends = {name: interval(row) for name, row in zip(names, means, strict=True)}
        return {name: pair for name, pair in ends.items() if pair is not None}

    def rows(self) -> list[dict[str, Any]]:
        """Return the table, the most faithful technique first.

        Of each technique: its mean by each measure, the mean of its places, seconds, `intervals` (of each mean and of
        the mean place) and `leads` (the measures by which it is best or cannot be told apart from the best).
        """
        ends = {metric: self.intervals(metric) for metric in self.metrics} | {"mean place": self.mean_rank_intervals()}
        leading = {metric: self.leading(metric) for metric in self.metrics}
        table = []
        for name in self.ranking:
            row: dict[str, Any] = {"technique": name}
            for metric in self.metrics:
                found = self.measurements[name].get(metric)
                row[metric] = None if found is None or np.isnan(found.mean) else found.mean
            place = self.mean_rank(name)
            row |= {"mean place": place if np.isfinite(place) else None, "seconds": round(self.elapsed_s[name], 2)}
            row["intervals"] = {head: list(by[name]) for head, by in ends.items() if name in by}
            row["leads"] = [metric for metric in self.metrics if name in leading[metric]]
            table.append(row)
        return table

    def _by(self, metric: str) -> dict[str, Measurement]:
        return {name: by[metric] for name, by in self.measurements.items() if metric in by}

    def _sign(self, metric: str) -> int:
        return -1 if any(each.better == "higher" for each in self._by(metric).values()) else 1
