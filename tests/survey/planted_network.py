"""A network with known faults: one convolution whose units repeat, stay silent, saturate or never rest."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

UNITS = 40
TWINS = tuple((unit, unit + 10) for unit in range(10))
"""Units 10 to 19 repeat units 0 to 9."""
DEAD = (20, 21, 22, 23, 24)


def forward(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = x + params["bias"]
    x = jax.nn.relu(x)
    return x.mean((1, 2))


def parameters():
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(3, 3, 3, UNITS)).astype(np.float32)
    kernel -= kernel.mean((0, 1, 2))
    bias = np.zeros(UNITS, np.float32)
    for unit, twin in TWINS:
        kernel[..., twin] = kernel[..., unit]
    kernel[..., list(DEAD)] = 0
    bias[list(DEAD)] = -1
    kernel[..., 25], bias[25] = 0, 3  # always 3
    kernel[..., 26] = np.abs(kernel[..., 26])
    bias[26] = 1  # always above zero, but it moves
    return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}


def model():
    return cv.adapt(forward, parameters(), input_shape=(10, 9, 3), name="planted")


def some_images(count):
    return np.random.default_rng(5).uniform(size=(count, 10, 9, 3)).astype(np.float32)
