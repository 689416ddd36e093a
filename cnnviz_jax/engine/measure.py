"""What measures are made of: a `MetricFold`, or a `HostMetric`; the target of both is an `EvaluatedMap`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.engine.case import Case
from cnnviz_jax.engine.fold import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.model.model import Model
from cnnviz_jax.results.measurement import Better, Measured
from cnnviz_jax.targets.target import WrappedTarget


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class EvaluatedMap(WrappedTarget):
    """What was explained (`inner`), with the map that is evaluated: the target of every measure."""

    heat: Float[Array, "n h w"]
    """The map, one number per pixel."""
    raw: Float[Array, "n h w c"]
    """The map as the technique gave it; one of a single channel where it gave one number per pixel."""
    mask: Float[Array, "n h w"] | None = None
    """1 on the object, where the caller knows it."""


@dataclass(frozen=True, kw_only=True)
class MetricFold(Fold):
    """A measure as a fold: `evaluate` sees an `EvaluatedMap` target, `finish` returns `Measured`."""

    scores_only: ClassVar[bool] = True

    better: Better = "higher"
    """Which way a more faithful map moves the number."""
    at: tuple[float, ...] = ()
    """Where the points of the curve stand."""
    axis: str = ""
    """What `at` counts."""
    needs_mask: bool = False
    """Whether the object's mask must be given."""
    undefined: str = ""
    """When the number of an image is NaN, in words; a measure that leaves it empty is always defined."""
    config: Any = None
    """The user's options."""

    @classmethod
    def build(cls, config: Any, model: "Model") -> "MetricFold":
        """Return the measure with the user's options."""
        return cls(config=config)

    def check(self, maps: EvaluatedMap) -> None:
        """Raise `UsageError` if maps or masks, (n, h, w), do not suit the measure; called before tracing."""

    def finish(self, case: Case, gathered: Any) -> Measured:
        """Return what the one evaluation gave, a number or a `Measured`; a measure of several overrides it."""
        value = jax.tree.map(lambda leaf: leaf[0], gathered)
        return value if isinstance(value, Measured) else Measured(values=value)


@dataclass(frozen=True, kw_only=True)
class HostCase:
    """What a `HostMetric` is given: everything the caller gave, checked."""

    model: Model
    images: Float[np.ndarray, "n h w c"]
    target: EvaluatedMap
    """Batched."""
    keys: Any
    """One key per image."""
    again: Callable[..., tuple[Float[np.ndarray, "n h w"], Float[np.ndarray, "n h w c"]]]
    """`again(model=, images=, target=, progress=)`: the technique's map, reduced and raw, of another model, other
    images or another target, with the same options, seed and noise."""
    folded: Callable[[MetricFold], Measured]
    """What a measure that is a fold finds for all images, in the caller's chunks."""
    progress: Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class HostMetric:
    """A measure that explains again, as a function of a `HostCase`."""

    run: Callable[[HostCase], Measured]
    better: Better
    at: tuple[float, ...] = ()
    axis: str = ""
    labels: tuple[str, ...] = ()
    """A word for each point of the curve."""
    undefined: str = ""
    """When the number of an image is NaN, in words; a measure that leaves it empty is always defined."""
    pooled: bool = False
    """Whether all images share one number."""
    notes: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


def map_of(
    values: Any, images: Float[np.ndarray, "n h w c"], reduction: str, what: str
) -> tuple[Float[np.ndarray, "n h w"], Float[np.ndarray, "n h w k"]]:
    """Return a map of the images as one number per pixel, and as it came with a last axis of channels.

    Raises:
        UsageError: It has another size than the images, is not finite, or the reduction does not exist.
    """
    array = np.asarray(values, np.float32)
    array = array[None] if array.ndim == 2 else array
    if array.ndim not in (3, 4) or array.shape[:3] != images.shape[:3]:
        raise UsageError(
            f"{what} gives maps of shape {array.shape}; a measure needs (h, w) or (h, w, c) for each of "
            f"{len(images)} images of {images.shape[1]} x {images.shape[2]}"
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
