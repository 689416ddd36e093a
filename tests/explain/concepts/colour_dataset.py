"""A network whose channels are the colours red, green and blue, and images of one colour or of none in particular."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

SIZE = 8
HEAD = np.array([[4.0, 0.0], [-3.0, 0.0], [0.0, 2.0]], np.float32)
"""Class 0 wants red and no green, class 1 wants blue."""


def forward(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    with jax.named_scope("active"):
        x = jax.nn.relu(x)
    return x.mean((1, 2)) @ params["head"]


@functools.cache
def model() -> cv.Model:
    params = {"kernel": jnp.eye(3)[None, None], "head": jnp.asarray(HEAD)}
    return cv.adapt(forward, params, input_shape=(SIZE, SIZE, 3), name="colours")


def coloured(channel: int | None, count: int, seed: int) -> np.ndarray:
    """Noise of all colours; with a channel, brighter there."""
    images = np.random.default_rng(seed).uniform(0, 0.4, size=(count, SIZE, SIZE, 3))
    if channel is not None:
        images[..., channel] += 0.5
    return images.astype(np.float32)


def dataset():
    """Red, green, blue and random images, and some to examine: images and labels 0 to 4."""
    parts = [coloured(channel, 24, seed) for seed, channel in enumerate((0, 1, 2))]
    parts += [coloured(None, 80, 3), coloured(None, 10, 4)]
    return np.concatenate(parts), np.repeat(np.arange(5), [len(part) for part in parts])
