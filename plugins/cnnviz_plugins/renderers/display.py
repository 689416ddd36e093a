"""Named display policies: how raw numbers become levels of a colour scale, and how that is said.

Results are never normalised; this is the one place where numbers are cut, scaled or reduced for the
eye. Limits always include 0, so an all-zero map stays zero, and nothing here can divide by zero.
NumPy only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import RenderError, UsageError, did_you_mean
from cnnviz_plugins.renderers.options import Policy, Reduction

POLICIES: tuple[Policy, ...] = get_args(Policy)
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A policy with the limits it gave: what a colour bar needs."""

    policy: Policy
    low: float
    """The value at level 0; at most 0."""
    high: float
    """The value at level 1; at least 0."""
    cut: float | None = None
    """The percentile at which values were cut, or `None` if every value lies inside the limits."""
    shared: bool = False
    """Whether several maps have this one scale."""

    @property
    def zero(self) -> float:
        """The level of the value 0."""
        return float(self.levels(np.zeros(1))[0])

    def levels(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return levels in [0, 1]; values outside the limits are cut.

        Raises:
            RenderError: A value is not finite.
        """
        values = finite(values)
        largest = max(-self.low, self.high)
        if largest == 0:  # all zero: the middle of a diverging scale, the bottom of any other
            return np.full(values.shape, 0.5 if self.policy == "symmetric" else 0.0)
        low, high = self.low / largest, self.high / largest
        inside = np.clip(values, self.low, self.high)
        levels: np.ndarray = np.clip((inside / largest - low) / (high - low), 0.0, 1.0)
        return levels

    @property
    def caption(self) -> str:
        """The policy in words, for the figure's caption."""
        at = "" if self.cut is None else f"cut at the {ordinal(self.cut)} percentile"
        words = {
            "symmetric": "symmetric around 0" + (f", {at} of |value|" if at else ""),
            "positive": "from 0 up" + (f", {at}" if at else ""),
            "percentile": f"both ends {at}" if at else "lowest to highest value",
            "full": "lowest to highest value",
            "unit": "0 to 1 as stored",
        }[self.policy]
        return f"{words}; {'one scale for all' if self.shared else 'own scale for each'}"


def finite(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return the values in double precision.

    Raises:
        RenderError: A value is NaN or infinite: drawing it would hide it.
    """
    values = np.asarray(values, np.float64)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise RenderError(
            f"{bad} of {values.size} values are NaN or infinite, so there is nothing honest to draw; "
            "check the model's weights and the technique's warnings"
        )
    return values


def scale_for(
    values: Float[np.ndarray, "*shape"], policy: Policy, *, percentile: float = 99.0, shared: bool = False
) -> Scale:
    """Return the scale that `policy` gives these values.

    A percentile that falls on 0 while some values do not (a sparse map) is not cut at all.

    Args:
        values: One map, or a gallery that shares the scale.
        policy: One of `POLICIES`.
        percentile: Where `symmetric`, `positive` and `percentile` cut, above 50 and at most 100.
        shared: Whether `values` is a gallery; only the caption changes.

    Raises:
        RenderError: A value is not finite.
        UsageError: The policy is unknown or the percentile out of range.
    """
    if policy not in POLICIES:
        raise UsageError(
            f"no display policy {policy!r}.{did_you_mean(str(policy), POLICIES)} There are {', '.join(POLICIES)}"
        )
    if not 50 < percentile <= 100:
        raise UsageError(f"percentile is {percentile:g}; it must lie above 50 and be at most 100")
    values = finite(values)
    low, high = float(min(values.min(initial=0.0), 0.0)), float(max(values.max(initial=0.0), 0.0))

    def top(of: Float[np.ndarray, "*shape"]) -> float:
        cut = max(float(np.percentile(of, percentile)), 0.0) if of.size else 0.0
        return cut or float(max(of.max(initial=0.0), 0.0))

    limits: Mapping[Policy, Callable[[], tuple[float, float]]] = {
        "symmetric": lambda: (-top(np.abs(values)), top(np.abs(values))),
        "positive": lambda: (0.0, top(values)),
        "percentile": lambda: (-top(-values), top(values)),
        "full": lambda: (low, high),
        "unit": lambda: (0.0, 1.0),
    }
    bottom, ceiling = limits[policy]()
    is_cut = ceiling < high or (bottom > low and policy != "positive")
    cut = percentile if is_cut and policy != "unit" else None
    return Scale(policy=policy, low=bottom + 0.0, high=ceiling, cut=cut, shared=shared)


def scales_for(
    gallery: Sequence[Float[np.ndarray, "..."]], policy: Policy, *, percentile: float = 99.0, shared: bool = False
) -> list[Scale]:
    """Return one scale per map of a gallery: its own, or one and the same where `shared`."""
    if not shared:
        return [scale_for(values, policy, percentile=percentile) for values in gallery]
    together = np.concatenate([finite(values).ravel() for values in gallery]) if gallery else np.zeros(0)
    return [scale_for(together, policy, percentile=percentile, shared=True)] * len(gallery)


def natural_policy(values: Float[np.ndarray, "*shape"]) -> Policy:
    """Return `symmetric` if any value is negative, else `positive`."""
    return "symmetric" if bool((np.asarray(values) < 0).any()) else "positive"


def reduce_channels(pixels: Float[np.ndarray, "*n h w c"], reduction: Reduction) -> Float[np.ndarray, "*n h w"]:
    """Return one number per pixel from a value per pixel and channel.

    Raises:
        UsageError: The reduction is unknown.

    Source: `max_abs` is Simonyan, Vedaldi and Zisserman 2013, section 3.1.
    """
    if reduction not in REDUCTIONS:
        near = did_you_mean(str(reduction), REDUCTIONS)
        raise UsageError(f"no channel reduction {reduction!r}.{near} There are {', '.join(REDUCTIONS)}")
    pixels = np.asarray(pixels, np.float64)
    if reduction == "max_abs":
        return np.abs(pixels).max(-1)
    if reduction == "l2":
        return np.sqrt((pixels**2).sum(-1))
    return (np.abs(pixels) if reduction == "sum_abs" else pixels).sum(-1)


def ordinal(percentile: float) -> str:
    """Return `99th`, `99.5th`, `91st`."""
    text = f"{percentile:g}"
    teens = text[-2:] in {"11", "12", "13"} and "." not in text
    ending = {"1": "st", "2": "nd", "3": "rd"}.get(text[-1], "th")
    return text + ("th" if teens or "." in text else ending)
