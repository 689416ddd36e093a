"""A small network for tests: conv, ReLU, max-pool, conv, ReLU, mean, dense; seeded weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv


def forward(params, x):
    for name in ("conv1", "conv2"):
        with jax.named_scope(name):
            x = jax.lax.conv_general_dilated(
                x, params[name]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = x + params[name]["bias"]
        x = jax.nn.relu(x)
        if name == "conv1":
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.mean((1, 2))
    with jax.named_scope("head"):
        return x @ params["head"]["kernel"] + params["head"]["bias"]


def parameters(channels=3, classes=4, seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1])))

    return {
        "conv1": {"kernel": normal(3, 3, channels, 6), "bias": 0.1 * normal(1, 6)[0]},
        "conv2": {"kernel": normal(3, 3, 6, 8), "bias": 0.1 * normal(1, 8)[0]},
        "head": {"kernel": normal(8, classes), "bias": normal(1, classes)[0]},
    }


@functools.cache
def model(height=12, width=10, channels=3) -> cv.Model:
    return cv.adapt(forward, parameters(channels), input_shape=(height, width, channels), name="small")


def some_images(count, height=12, width=10, channels=3, seed=1):
    return np.random.default_rng(seed).uniform(size=(count, height, width, channels)).astype(np.float32)
