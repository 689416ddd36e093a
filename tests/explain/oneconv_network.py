"""Captum's test network "OneConv", as a plain function, in NHWC and NCHW, and as Flax modules.

Source: Captum, `captum/testing/helpers/basic_models.py` (BSD-3); values restated from its tests.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import cnnviz_jax as cv

A = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
B = np.ones((4, 4, 1), np.float32)
ROW = np.array([1, 1, 1, 1, 1, -1, -1, -1], np.float32)


def parameters() -> dict:
    return {
        "conv": {"kernel": jnp.ones((3, 3, 1, 2)), "bias": jnp.array([-50.0, -75.0])},
        "head": {"kernel": jnp.asarray(np.tile(ROW, (4, 1)).T)},
    }


def nhwc(params: dict, x):
    with jax.named_scope("conv"):
        y = jax.lax.conv_general_dilated(
            x, params["conv"]["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = y + params["conv"]["bias"]
    y = jax.nn.relu(y)
    y = jnp.transpose(y, (0, 3, 1, 2)).reshape(len(y), -1)  # the source flattens channels first
    with jax.named_scope("head"):
        y = y @ params["head"]["kernel"]
    return jax.nn.relu(y)


def nchw(params: dict, x):
    kernel = jnp.transpose(params["conv"]["kernel"], (3, 2, 0, 1))
    with jax.named_scope("conv"):
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID") + params["conv"]["bias"][:, None, None]
    y = jax.nn.relu(y).reshape(len(y), -1)
    with jax.named_scope("head"):
        y = y @ params["head"]["kernel"]
    return jax.nn.relu(y)


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x):
        y = linen.relu(linen.Conv(2, (3, 3), padding="VALID", name="conv")(x))
        y = jnp.transpose(y, (0, 3, 1, 2)).reshape(len(y), -1)
        return linen.relu(linen.Dense(4, use_bias=False, name="head")(y))


class Nnx(nnx.Module):
    def __init__(self):
        self.conv = nnx.Conv(1, 2, (3, 3), padding="VALID", rngs=nnx.Rngs(0))
        self.head = nnx.Linear(8, 4, use_bias=False, rngs=nnx.Rngs(0))
        params = parameters()
        self.conv.kernel[...] = params["conv"]["kernel"]
        self.conv.bias[...] = params["conv"]["bias"]
        self.head.kernel[...] = params["head"]["kernel"]

    def __call__(self, x):
        y = nnx.relu(self.conv(x))
        return nnx.relu(self.head(jnp.transpose(y, (0, 3, 1, 2)).reshape(len(y), -1)))


def model(kind: str) -> cv.Model:
    shape = (4, 4, 1)
    if kind == "nhwc":
        return cv.adapt(nhwc, parameters(), input_shape=shape)
    if kind == "nchw":
        return cv.adapt(nchw, parameters(), input_shape=shape, axes="NCHW")
    if kind == "linen":
        return cv.adapt(Linen(), {"params": parameters()}, input_shape=shape)
    return cv.adapt(Nnx(), input_shape=shape)


KINDS = ("nhwc", "nchw", "linen", "nnx")


def two_inputs(params: dict, x):
    """The image pair (A, B), as two channels, added before the network."""
    return nhwc(params, x.sum(-1, keepdims=True))
