"""Occlusion: how much the score falls when each window of the picture is covered (Zeiler, Fergus 2013)."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax import Heatmap, Model
from cnnviz_jax.engine import Fold
from cnnviz_jax.errors import UsageError
from cnnviz_jax.targets import Target
from cnnviz_plugins.explain.perturbation.fills import cover, settled
from cnnviz_plugins.explain.perturbation.plugin import OcclusionConfig
from cnnviz_plugins.explain.perturbation.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Occlusion(Fold):
    """One number per window of a regular grid; with `score="drop"`, positive means the covered pixels helped.

    `low_res` is the grid, (rows, cols): row r, column c belongs to the window whose top-left pixel is
    (r * stride, c * stride). `values` is that grid read between the windows' centres, or, with `gather`,
    the sum or average over the windows that cover each pixel.

    Raises (when built):
        WindowError: The window is larger than the picture.
        UsageError: The fill has another number of channels, or a channel does not exist.

    Cost: rows * cols + 1 forward passes per picture; memory for one chunk of covered pictures.
    Randomness: only `fill="noise"`, one field of noise per picture.
    Source: Zeiler, Fergus 2013, section 4.2.
    """

    config: OcclusionConfig
    windows: Windows

    @classmethod
    def build(cls, config: OcclusionConfig, model: Model) -> "Occlusion":
        """Return the fold for `model`, its grid of windows laid out."""
        height, width, depth = model.input_shape
        config = replace(config.settled(), fill=settled(config.fill, model))
        windows = Windows.over((height, width), config.window, config.stride, config.edge or "full")
        for channel in config.channels or ():
            if not 0 <= channel < depth:
                raise UsageError(f"pictures have channels 0 to {depth - 1}, got channel {channel}")
        notes = (
            ("window", (windows.height, windows.width)),
            ("stride", windows.step),
            ("positions", (windows.rows, windows.cols)),
            ("edge", config.edge),
            ("score", config.score),
            ("gather", config.gather),
        )
        return cls(config=config, windows=windows, notes=notes)

    @property
    def evaluations(self) -> int:
        """One per window."""
        return self.windows.count

    def prepare(
        self, model: Model, image: Float[Array, "h w c"], target: Target, key: Key[Array, ""]
    ) -> tuple[Float[Array, "h w c"], Float[Array, " k"]]:
        """Return the picture as it looks where covered, and what is read off the untouched one."""
        covered = cover(self.config.fill, image, key)
        if self.config.channels is not None:
            chosen = jnp.isin(jnp.arange(image.shape[-1]), jnp.asarray(self.config.channels))
            covered = jnp.where(chosen, covered, image)
        return covered, self._reading(model, image, target)

    def evaluate(
        self,
        model: Model,
        image: Float[Array, "h w c"],
        target: Target,
        context: tuple[Float[Array, "h w c"], Float[Array, " k"]],
        index: Int[Array, ""],
        key: Any,
    ) -> Float[Array, ""]:
        """Return the number of window `index`."""
        covered, untouched = context
        reading = self._reading(model, jnp.where(self.windows.mask(index), covered, image), target)
        if self.config.score == "distribution":
            return 0.5 * jnp.abs(reading - untouched).sum()
        if self.config.score == "drop":
            return (untouched - reading)[0]
        return reading[0] if self.config.score == "raw" else 1 - reading[0]

    def finish(self, model: Model, image: Any, target: Target, context: Any, gathered: Float[Array, " p"]) -> Heatmap:
        """Return the grid and its map of the picture."""
        grid = gathered.reshape(self.windows.rows, self.windows.cols)
        gather = {"grid": self.windows.enlarged, "average": self.windows.averaged, "sum": self.windows.summed}
        return Heatmap(values=gather[self.config.gather or "grid"](grid), low_res=grid)

    def _reading(self, model: Model, image: Float[Array, "h w c"], target: Target) -> Float[Array, " k"]:
        """Return what is compared: the score, or the predicted distribution."""
        if self.config.score == "distribution":
            return jax.nn.softmax(model.run(image)[0])
        return model.score(image, target)[0][None]
