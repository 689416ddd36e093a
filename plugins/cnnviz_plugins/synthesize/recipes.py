"""Recipes: published sets of start, steps, update rule and display, each a small frozen dataclass."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key


@runtime_checkable
class Recipe(Protocol):
    """What activation maximisation needs to know; images are in [0, 1] units."""

    canvas: tuple[int, int]
    steps: int

    def start(self, shape: tuple[int, int, int], key: Key[Array, ""]) -> Float[Array, "h w c"]:
        """Return the picture before the first step."""

    def optimizer(self) -> optax.GradientTransformation:
        """Return the update rule; it is given gradients of the objective and maximises it."""

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Return the picture as the recipe displays it, in [0, 1]."""


@dataclass(frozen=True)
class Chollet2016:
    """The script behind the well-known VGG16 filter pictures.

    Start (rand - 0.5) * 20 + 128 on the 0..255 scale, 128 x 128; 20 steps of x + g / (rms(g) + 1e-5);
    shown centred, with standard deviation 0.1, around 0.5.

    Source: Chollet 2016, "How convolutional neural networks see the world", The Keras Blog,
    `conv_filter_visualization.py`.
    """

    canvas: tuple[int, int] = (128, 128)
    steps: int = 20

    def start(self, shape: tuple[int, int, int], key: Key[Array, ""]) -> Float[Array, "h w c"]:
        """Return uniform noise of +-10 around 128, on the 0..255 scale, as [0, 1]."""
        return (jax.random.uniform(key, shape) * 20 - 10 + 128) / 255

    def optimizer(self) -> optax.GradientTransformation:
        """Return steps of root-mean-square 1 on the 0..255 scale."""

        def rms_one(updates: Float[Array, "h w c"], params: object = None) -> Float[Array, "h w c"]:
            # The script's gradient is taken on the 0..255 scale, so it is 1/255 of ours; epsilon stays the script's.
            gradient = updates / 255
            return gradient / (jnp.sqrt(jnp.mean(jnp.square(gradient))) + 1e-5)

        return optax.chain(optax.stateless(rms_one), optax.scale(1 / 255))

    def shown(self, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """Return the picture centred, standard deviation 0.1, plus 0.5, clipped; eps as in the script."""
        scaled = image * 255
        centred = scaled - scaled.mean()
        return jnp.clip(centred / (centred.std() + 1e-5) * 0.1 + 0.5, 0, 1)


RECIPES: dict[str, Recipe] = {"chollet2016": Chollet2016()}
