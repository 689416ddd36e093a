"""Guided IG: a path that moves the values with the smallest gradients first (Kapishnikov et al. 2021)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnnviz_jax.plugin import Case, Model
from cnnviz_plugins.explain.gradient.path import WholePath
from cnnviz_plugins.explain.gradient.plugin import GuidedIgConfig
from cnnviz_plugins.explain.input_gradient import input_gradient
from cnnviz_plugins.explain.site import SHARES

# A distance this small against the whole path's is rounding.
_CLOSE = 1e-6


@dataclass(frozen=True, kw_only=True)
class GuidedIg(WholePath):
    """Gradients along an adaptive path from the baseline to the image, times the moves, (h, w, c).

    `extras` has `baseline_score` and `completeness_gap`.

    Cost: `steps` forward and backward passes per image, one after another, and two forward ones.
    Source: Kapishnikov et al. 2021, algorithm 1, as its authors' code bounds it.
    """

    axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    config: GuidedIgConfig

    @classmethod
    def build(cls, config: GuidedIgConfig, model: Model) -> "GuidedIg":
        """Return the fold for `model`."""
        return cls(config=config, notes=(("baseline", str(config.baseline)), ("steps", config.steps), *SHARES))

    def evaluate(self, case: Case) -> tuple[Float[Array, "h w c"], Float[Array, "h w c"]]:
        """Return the shares, and the baseline."""
        config = self.config
        start = case.filled(config.baseline)

        def step(number: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
            at, shares = state
            gradient = input_gradient(case.model, at, case.target)
            done = (number + 1).astype(jnp.float32) / config.steps
            now = _moved(at, jnp.abs(gradient), case.image, start, done, config)
            return now, shares + (now - at) * gradient

        _, shares = jax.lax.fori_loop(0, config.steps, step, (start, jnp.zeros_like(case.image)))
        return shares, start


def _moved(
    at: Float[Array, "h w c"],
    steepness: Float[Array, "h w c"],
    image: Float[Array, "h w c"],
    start: Float[Array, "h w c"],
    done: Float[Array, ""],
    config: GuidedIgConfig,
) -> Float[Array, "h w c"]:
    """Return the next point: `done` of the whole path's length behind it, the least steep values moved first.

    No value lags behind `done` by more than `max_distance` or runs so far ahead, as shares of its own straight way.
    """
    whole, fraction = image - start, config.fraction
    low, high = jnp.maximum(done - config.max_distance, 0.0), jnp.minimum(done + config.max_distance, 1.0)
    length = jnp.abs(whole).sum()
    distance, close = length * (1 - done), length * _CLOSE
    behind, ahead = start + whole * low, start + whole * high
    place = math.floor(fraction * (image.size - 1))

    def body(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        at, _, count = state
        along = jnp.where(whole != 0, (at - start) / jnp.where(whole != 0, whole, 1.0), high)
        at = jnp.where(along < low, behind, at)
        left = jnp.abs(at - image).sum()
        ranked = jnp.where(at == ahead, jnp.inf, steepness)
        threshold = jnp.sort(ranked.reshape(-1))[place]
        chosen: Bool[Array, "h w c"] = (ranked <= threshold) & jnp.isfinite(ranked)
        room = jnp.where(chosen, jnp.abs(at - ahead), 0.0).sum()
        gamma = jnp.where(room > 0, (left - distance) / jnp.where(room > 0, room, 1.0), 0.0)
        gamma = jnp.where(jnp.abs(left - distance) <= close, 0.0, gamma)
        moved = jnp.where(gamma > 1, ahead, at + jnp.clip(gamma, 0.0, 1.0) * (ahead - at))
        return jnp.where(chosen, moved, at), gamma, count + 1

    def is_short(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > 1) & (state[2] < math.ceil(1 / fraction) + 3)

    return jax.lax.while_loop(is_short, body, (at, jnp.float32(jnp.inf), jnp.int32(0)))[0]
