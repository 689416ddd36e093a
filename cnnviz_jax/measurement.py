"""What measures are made of and what they return: how faithful a map is, in numbers.

A measure is a `MetricFold` (evaluations of one picture, run by the engine like any technique) or a `HostMetric`
(a function of a `Case`, for measures that explain again). Its target is `Judged`: what was explained, together
with the map. The results are `Measurement` and `Comparison`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from cnnviz_jax.engine import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.results import Attribution, Provenance, static
from cnnviz_jax.targets import Target

if TYPE_CHECKING:
    from cnnviz_jax.model import Model

Better = Literal["higher", "lower"]
Reduction = Literal["max_abs", "sum", "sum_abs"]
"""How the channels of a pixel map become one number: the largest |value|, the signed sum, the sum of |values|."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a measure finds for one picture (or, with a leading n, for many)."""

    values: Float[Array | np.ndarray, "*n"]
    curve: Float[Array | np.ndarray, "*n points"] | None = None
    """The numbers behind the value, where it is made of several."""
    extras: dict[str, Shaped[Array | np.ndarray, "..."]] = field(default_factory=dict)
    """Further numbers by name."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Judged(Target):
    """What was explained, with the map that is judged: the target of every measure."""

    inner: Target
    """The target that was explained."""
    heat: Float[Array, "n h w"]
    """The map, one number per pixel."""
    raw: Float[Array, "n h w c"]
    """The map as the technique gave it; one of a single channel where it gave one number per pixel."""
    mask: Float[Array, "n h w"] | None = None
    """1 on the object, where the caller knows it."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the explained target reads."""
        return self.inner.layers

    @property
    def needs_outputs(self) -> bool:
        """Whether the explained target reads the outputs."""
        return self.inner.needs_outputs

    def score(self, outputs: Any, taps: dict[str, Float[Array, "..."]]) -> Float[Array, ""]:
        """Return the explained target's score."""
        return self.inner.score(outputs, taps)

    def describe(self, model: "Model") -> tuple[str, ...]:
        """Return the explained target's texts."""
        return self.inner.describe(model)


@dataclass(frozen=True, kw_only=True)
class MetricFold(Fold):
    """A measure as a fold: `evaluate` sees a `Judged` target, `finish` returns `Measured`."""

    better: Better = "higher"
    """Which way a more faithful map moves the number."""
    at: tuple[float, ...] = ()
    """Where the points of the curve stand."""
    axis: str = ""
    """What `at` counts."""
    needs_mask: bool = False
    """Whether the object's mask must be given."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One judgement on the host: everything the caller gave, checked."""

    model: "Model"
    images: Float[np.ndarray, "n h w c"]
    target: Judged
    """Batched."""
    keys: Any
    """One key per picture."""
    again: Callable[..., tuple[Float[np.ndarray, "n h w"], Float[np.ndarray, "n h w c"]]]
    """`again(model=, images=, progress=)`: the technique's map, reduced and raw, of another model or other
    pictures, with the same options, seed and noise."""
    progress: Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class HostMetric:
    """A measure that explains again, as a function of a `Case`."""

    run: Callable[[Case], Measured]
    better: Better
    at: tuple[float, ...] = ()
    axis: str = ""
    labels: tuple[str, ...] = ()
    """A word for each point of the curve."""
    notes: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How faithful maps are by one measure: a number per picture, and the curve behind it."""

    values: Float[Array | np.ndarray, " n"]
    curve: Float[Array | np.ndarray, "n points"] | None
    """The numbers behind each value, where it is made of several."""
    scores: Float[Array | np.ndarray, " n"]
    """The explained score on the untouched picture."""
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
        """The mean over pictures: the measure's number for the technique."""
        return float(np.mean(np.asarray(self.values, np.float64)))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several techniques by several measures on the same pictures."""

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
    """One per picture."""
    targets: tuple[str, ...]
    """What was explained, one text per picture."""
    elapsed_s: dict[str, float]
    """Time to explain all pictures, by technique."""
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


def map_of(
    values: Any, images: Float[np.ndarray, "n h w c"], reduction: str, what: str
) -> tuple[Float[np.ndarray, "n h w"], Float[np.ndarray, "n h w k"]]:
    """Return a map of the pictures as one number per pixel, and as it came with a last axis of channels.

    Raises:
        UsageError: It has another size than the pictures, is not finite, or the reduction does not exist.
    """
    array = np.asarray(values, np.float32)
    array = array[None] if array.ndim == 2 else array
    if array.ndim not in (3, 4) or array.shape[:3] != images.shape[:3]:
        raise UsageError(
            f"{what} gives maps of shape {array.shape}; a measure needs (h, w) or (h, w, c) for each of "
            f"{len(images)} pictures of {images.shape[1]} x {images.shape[2]}"
        )
    if not np.isfinite(array).all():
        raise UsageError(f"{what} has values that are not finite")
    if array.ndim == 3:
        return array, array[..., None]
    if reduction not in _REDUCED:
        raise UsageError(f"reduction is one of {', '.join(map(repr, _REDUCED))}, got {reduction!r}")
    return _REDUCED[reduction](array), array


_REDUCED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max_abs": lambda array: np.abs(array).max(-1),
    "sum": lambda array: array.sum(-1),
    "sum_abs": lambda array: np.abs(array).sum(-1),
}


def judged(target: Target, heat: np.ndarray, raw: np.ndarray, mask: np.ndarray | None) -> Judged:
    """Return the batched target of a measure."""
    shown = None if mask is None else jnp.asarray(mask, jnp.float32)
    return Judged(inner=target, heat=jnp.asarray(heat), raw=jnp.asarray(raw), mask=shown)
