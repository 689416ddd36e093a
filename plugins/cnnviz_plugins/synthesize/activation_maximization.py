"""Activation maximisation: a picture raised by gradient ascent until it excites a unit most (Erhan et al. 2009)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax import Model, Synthesis
from cnnviz_jax.engine import Iteration
from cnnviz_jax.errors import ModelError
from cnnviz_jax.results import Provenance, Status
from cnnviz_jax.targets import Target
from cnnviz_plugins.synthesize.plugin import ActivationMaximizationConfig
from cnnviz_plugins.synthesize.recipes import RECIPES, Recipe


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization(Iteration):
    """Gradient ascent on a picture, by a recipe's start, update rule and display.

    Status of each target: `no_gradient` if the gradient was zero at every step, `diverged` if the objective
    or the picture is not finite, `dead` if the objective never rose above 0, else `ok`.

    Raises (when built):
        ModelError: The model cannot be traced at the canvas size that was asked for.

    Cost: steps + 1 forward and steps backward passes per target, up to the layer; one compilation per layer.
    Randomness: the start, from the key of (seed, layer, channel).
    Source: Erhan, Bengio, Courville, Vincent 2009, section 3.1; recipes name their own.
    """

    recipe: Recipe
    canvas: tuple[int, int, int]

    @classmethod
    def build(cls, config: ActivationMaximizationConfig, model: Model, target: Target) -> "ActivationMaximization":
        """Return the iteration for `model`."""
        recipe = RECIPES[config.recipe]
        size, warnings = _canvas(config, model, recipe)
        return cls(
            recipe=recipe,
            steps=config.steps or recipe.steps,
            size=size,
            canvas=(*size, model.input_shape[2]),
            layer=target.layers[0] if target.layers else None,
            notes=(("canvas", size),),
            warnings=warnings,
        )

    def start(self, model: Model, target: Target, key: Key[Array, ""]) -> dict[str, Any]:
        """Return the first picture, the optimiser's state and whether a gradient was ever seen."""
        image = self.recipe.start(self.canvas, key)
        moments = self.recipe.optimizer().init(image)
        return {"image": image, "moments": moments, "moved": jnp.bool_(False)}

    def step(
        self, model: Model, target: Target, state: dict[str, Any], index: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[dict[str, Any], Float[Array, ""]]:
        """Return the state one ascent step on, and the objective before it."""
        value, gradient = jax.value_and_grad(lambda image: model.score(image, target)[0])(state["image"])
        update, moments = self.recipe.optimizer().update(gradient, state["moments"], state["image"])
        moved = state["moved"] | jnp.any(gradient != 0)
        return {"image": optax.apply_updates(state["image"], update), "moments": moments, "moved": moved}, value

    def finish(self, model: Model, target: Target, state: dict[str, Any]) -> dict[str, Array]:
        """Return the last picture, as it is and as shown, with the objective it reaches."""
        image = state["image"]
        reached = model.score(image, target)[0]
        return {"raw": image, "shown": self.recipe.shown(image), "reached": reached, "moved": state["moved"]}

    def result(
        self,
        outcome: dict[str, Any],
        curves: Float[np.ndarray, "n steps"],
        provenance: Provenance,
        warnings: tuple[str, ...],
    ) -> Synthesis:
        """Return the pictures with a status each."""
        raw, reached, moved = outcome["raw"], outcome["reached"], outcome["moved"]
        finite = np.isfinite(raw).reshape(len(raw), -1).all(1) & np.isfinite(reached) & np.isfinite(curves).all(1)
        fired = (curves > 0).any(1) | (reached > 0)
        status = tuple(_status(*each) for each in zip(moved, finite, fired, strict=True))
        silent = [name for name, word in zip(provenance.targets, status, strict=True) if word != "ok"]
        found = (f"no picture to believe for {', '.join(silent[:5])}{', ...' if len(silent) > 5 else ''}",) if silent else ()
        return Synthesis(
            images=np.where(finite[:, None, None, None], np.nan_to_num(outcome["shown"]), 0.5),
            raw=raw,
            curves=curves,
            activation=reached,
            status=status,
            provenance=provenance,
            warnings=(*warnings, *found),
        )


def _status(moved: bool, finite: bool, fired: bool) -> Status:
    if not finite:
        return "diverged"
    if not moved:
        return "no_gradient"
    return "ok" if fired else "dead"


def _canvas(
    config: ActivationMaximizationConfig, model: Model, recipe: Recipe
) -> tuple[tuple[int, int], tuple[str, ...]]:
    if config.size is not None:
        size = (config.size, config.size) if isinstance(config.size, int) else (config.size[0], config.size[-1])
        model.at_size(*size)  # refuses here, before the work, where the model is fixed to another size
        return size, ()
    try:
        model.at_size(*recipe.canvas)
    except ModelError:
        size = model.input_shape[:2]
        published = "{} x {}".format(*recipe.canvas)
        return size, (f"canvas {size[0]} x {size[1]}: {model.name} takes no other size (the recipe's is {published})",)
    return recipe.canvas, ()
