"""A small network: a convolution, a ReLU, a pool and a dense layer; images of coloured patches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from tests.explain.concepts.colour_dataset import SIZE, forward


def forward_nchw(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NCHW", "HWIO", "NCHW")
        )
    with jax.named_scope("active"):
        x = jax.nn.relu(x)
    return x.mean((2, 3)) @ params["head"]


def params():
    random = np.random.default_rng(3)
    return {
        "kernel": jnp.asarray(random.normal(size=(3, 3, 3, 6)) / 3, jnp.float32),
        "head": jnp.asarray(random.normal(size=(6, 4)), jnp.float32),
    }


@functools.cache
def model() -> cv.Model:
    return cv.adapt(forward, params(), input_shape=(SIZE, SIZE, 3), name="colours")


@functools.cache
def model_nchw() -> cv.Model:
    return cv.adapt(forward_nchw, params(), input_shape=(SIZE, SIZE, 3), axes="NCHW", name="colours")


@functools.cache
def images(count: int = 24) -> np.ndarray:
    random = np.random.default_rng(5)
    coarse = random.uniform(size=(count, SIZE // 2, SIZE // 2, 3))
    return coarse.repeat(2, 1).repeat(2, 2).astype(np.float32)


@functools.cache
def features(name: str = "topk", **options) -> cv.Dictionary:
    given = {"size": 12, "key": 0, **({} if "nmf" in name else {"steps": 60, "batch_rows": 48}), **options}
    return cv.learn_dictionary(name, model(), images(), layer="active", progress=False, **given)
