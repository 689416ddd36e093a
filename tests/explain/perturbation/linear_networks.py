"""A linear model and a model with interactions over an 8 x 4 image, as plain functions."""

import functools

import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

SIZE = (8, 4)
WEIGHTS = np.random.default_rng(4).normal(size=(*SIZE, 2)).astype(np.float32)
BLOCKS = np.repeat(np.arange(8).reshape(4, 2), 2, 0).repeat(2, 1)
"""A mask of eight parts of 2 x 2 pixels."""


def sums(weights, x):
    """What each part adds."""
    return (x * weights).sum(-1).reshape(len(x), 4, 2, 2, 2).sum((2, 4)).reshape(len(x), 8)


@functools.cache
def linear() -> cv.Model:
    return cv.adapt(
        lambda p, x: sums(p, x).sum(-1, keepdims=True) + 0.5,
        jnp.asarray(WEIGHTS),
        input_shape=(*SIZE, 2),
        name="linear",
    )


def interaction(parts):
    """Products, a maximum and a threshold of eight numbers."""
    a, b, c, d, e, f, g, h = (parts[..., i] for i in range(8))
    return a * b + jnp.maximum(c, d) * e - jnp.tanh(f + g) + 0.3 * a * f * h


@functools.cache
def mixed() -> cv.Model:
    return cv.adapt(
        lambda p, x: interaction(sums(p, x))[:, None], jnp.asarray(WEIGHTS), input_shape=(*SIZE, 2), name="mixed"
    )


def some_image(seed=2):
    return np.random.default_rng(seed).uniform(size=(*SIZE, 2)).astype(np.float32)


def contributions(image):
    """What each part adds to the linear model."""
    return np.asarray(sums(WEIGHTS, image[None]))[0]
