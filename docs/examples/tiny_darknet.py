"""Tiny Darknet in Flax NNX, its weights loaded from a file with PyTorch's names and layout.

cnnviz report tiny_darknet:build photo.png --weights tiny_darknet.safetensors
"""

from pathlib import Path

import jax
from flax import nnx

import cnnviz_jax as cv
from cnnviz_plugins.models.checkpoints import read_weights
from cnnviz_plugins.models.naming import load_arrays

TABLE: tuple[tuple[int, int] | str, ...] = (
    (16, 3),
    "pool",
    (32, 3),
    "pool",
    (16, 1),
    (128, 3),
    (16, 1),
    (128, 3),
    "pool",
    (32, 1),
    (256, 3),
    (32, 1),
    (256, 3),
    "pool",
    (64, 1),
    (512, 3),
    (64, 1),
    (512, 3),
    (128, 1),
)
"""Convolutions as (channels, window), each with BatchNorm and a leaky ReLU, and 2 x 2 max-pools."""


class LeakyReLU(nnx.Module):
    """x, or a tenth of it where it is negative."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """The values after it."""
        return nnx.leaky_relu(x, 0.1)


class Pool(nnx.Module):
    """The largest value of each 2 x 2 window."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps of half the size."""
        return nnx.max_pool(x, (2, 2), (2, 2))


class TinyDarknet(nnx.Module):
    """Fifteen convolutions, one to the classes, and a global average; modules have the names of the file."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        layers: list[nnx.Module] = []
        channels = 3
        for row in TABLE:
            if isinstance(row, str):
                layers.append(Pool())
                continue
            out, window = row
            layers += [
                nnx.Conv(channels, out, (window, window), padding=window // 2, use_bias=False, rngs=rngs),
                nnx.BatchNorm(out, use_running_average=True, rngs=rngs),
                LeakyReLU(),
            ]
            channels = out
        self.features = nnx.List(layers)
        self.classifier = nnx.List([nnx.Conv(channels, 1000, (1, 1), rngs=rngs)])

    def __call__(self, images: jax.Array) -> jax.Array:
        """Scores of images in [0, 1]."""
        x = images
        for layer in self.features:
            x = layer(x)
        return self.classifier[0](x).mean((1, 2))


def build(weights: str | Path) -> cv.Model:
    """The network with the weights of a file; all names that do not fit would be listed."""
    network = nnx.eval_shape(lambda: TinyDarknet(nnx.Rngs(0)))  # nothing is drawn that the file replaces
    load_arrays(network, read_weights(weights), source=str(weights))
    return cv.adapt(network, input_shape=(224, 224, 3), name="tiny_darknet")
