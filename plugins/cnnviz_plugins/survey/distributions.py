"""Distributions: how each unit's values are spread over a data set, and which units are of no use."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cnnviz_jax.plugin import (
    Dataset,
    Distributions,
    Layer,
    LogHistogram,
    Model,
    Moments,
    Provenance,
    SurveyPlan,
    Total,
    UsageError,
    grouped,
    positions,
    quantiles,
    surveyed_layer,
)
from cnnviz_plugins.survey.per_class import ClassMeans, ImagesFired, by_class, unread
from cnnviz_plugins.survey.plugin import DistributionsConfig
from cnnviz_plugins.survey.sample import PositionSample

_SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_SHOWN = 16


def build(config: DistributionsConfig, model: Model) -> SurveyPlan:
    """Return what is gathered for distributions, and how the result is made of it.

    Raises:
        LayerNotFoundError: No such layer.
        UsageError: No such unit, or a share outside 0 to 1.

    Cost: one forward pass per image up to the layer, and a few nanoseconds per value: 1.3 times the pass of a
    network as small as LeNet (CPU).
    """
    layer = surveyed_layer(model, config.layer, config.units)
    for name in ("saturated_at", "twins_at"):
        if not 0 < getattr(config, name) <= 1:
            raise UsageError(f"{name} lies above 0 and up to 1, got {getattr(config, name):g}")
    where: Any = {"layer": layer.name, "shape": layer.shape}

    def finish(found: Mapping[str, Total], dataset: Dataset, provenance: Provenance) -> Distributions:
        histogram, moments, fired = found["histogram"], found["moments"], found["fired"]
        rate = histogram["fire_rate"]
        seen = histogram["count"].sum(1) > 0
        dead = seen & (histogram["maximum"] <= 0)
        correlation = correlations(found["sample"]["values"])
        twins = grouped(correlation >= config.twins_at)
        counted = np.maximum(int(fired["images"][0]) - fired["nonfinite"], 1)
        return Distributions(
            layer=layer.name,
            image_count=int(fired["images"][0]),
            positions=positions(layer.shape),
            count=histogram["count"],
            edges=histogram["edges"],
            minimum=histogram["minimum"],
            maximum=histogram["maximum"],
            mean=moments["mean"],
            deviation=np.sqrt(moments["variance"]),
            shares=_SHARES,
            quantiles=quantiles(histogram, _SHARES),
            fire_rate=rate,
            image_rate=fired["fired"] / counted,
            dead=_numbers(dead),
            saturated=_numbers(_saturated(histogram, config.saturated_at)),
            always_on=_numbers(seen & (rate == 1)),
            twins=twins,
            correlation=correlation,
            sampled=len(found["sample"]["values"]),
            nonfinite=histogram["nonfinite"],
            **by_class(found, dataset),
            units=config.units or _spread(rate),
            provenance=provenance,
            warnings=(*model.warnings, *_findings(layer, histogram, provenance)),
        )

    return SurveyPlan(
        reducers={
            "histogram": LogHistogram(**where, bins_per_octave=config.bins_per_octave),
            "moments": Moments(**where),
            "fired": ImagesFired(**where),
            "sample": PositionSample(**where, image_count=config.sample, each=config.positions),
        },
        labelled=lambda classes: {"classes": ClassMeans(**where, classes=classes)},
        finish=finish,
        axes=(1, 2, 3),
    )


def correlations(values: Float[np.ndarray, "rows c"]) -> Float[np.ndarray, "c c"]:
    """Return Pearson's correlation of every pair of columns; 0 where a column never changes."""
    if len(values) < 2:
        return np.zeros((values.shape[1], values.shape[1]))
    x = values.astype(np.float64)
    x = x - x.mean(0)
    size = np.sqrt((x * x).sum(0))
    # What rounding leaves of a column that never changes is no change.
    changes = size > 1e-6 * np.abs(values).max(0).astype(np.float64) * np.sqrt(len(values))
    x = np.where(changes, x / np.where(changes, size, 1), 0)
    return np.clip(x.T @ x, -1, 1)


def _saturated(histogram: Total, share: float) -> Bool[np.ndarray, " c"]:
    """Return which units sit in the bin of their largest size, not zero, for at least that share of values."""
    count = histogram["count"]
    total = np.maximum(count.sum(1), 1)
    zero = count.shape[1] // 2
    distance = np.where(count > 0, np.abs(np.arange(count.shape[1]) - zero), 0).max(1)
    outermost = np.zeros(len(count))
    rows = np.arange(len(count))
    for sign in (-1, 1):
        outermost += np.where(distance > 0, count[rows, np.clip(zero + sign * distance, 0, count.shape[1] - 1)], 0)
    is_saturated: np.ndarray = (distance > 0) & (outermost / total >= share)
    return is_saturated


def _spread(rate: Float[np.ndarray, " c"]) -> tuple[int, ...]:
    """Return up to 16 units, evenly spaced in the order of their fire rates."""
    order = np.argsort(-rate, kind="stable")
    picked = np.unique(np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int))
    return tuple(int(order[i]) for i in picked)


def _numbers(which: Bool[np.ndarray, " c"]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(which).tolist())


def _findings(layer: Layer, histogram: Total, provenance: Provenance) -> tuple[str, ...]:
    found = []
    if (histogram["nonfinite"] > 0).any():
        found.append(f"{layer.name} has up to {int(histogram['nonfinite'].max())} values per unit that are not finite")
    return (*found, *unread(provenance))
