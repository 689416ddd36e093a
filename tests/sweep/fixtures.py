"""Networks and images small enough to be swept many times; named on command lines as `tests.sweep.fixtures:...`."""

import functools
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv

COUNT = 61
SHAPE = (16, 16, 3)
CLASSES = 4


def _conv(x, kernel, stride=1):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def plain(params, x):
    with jax.named_scope("conv1"):
        x = _conv(x, params["conv1"]) + params["bias1"]
    x = jax.nn.relu(x)
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    with jax.named_scope("conv2"):
        x = _conv(x, params["conv2"])
    x = jax.nn.relu(x).mean((1, 2))
    with jax.named_scope("head"):
        return x @ params["head"]


def residual(params, x):
    with jax.named_scope("conv1"):
        x = _conv(x, params["conv1"], 2) + params["bias1"]
    with jax.named_scope("conv2"):
        x = jnp.tanh(x) + _conv(jax.nn.relu(x), params["same"])
    x = jax.nn.relu(x).mean((1, 2))
    with jax.named_scope("head"):
        return x @ params["head"]


def parameters(seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    return {
        "conv1": normal(3, 3, 3, 4),
        "bias1": 0.1 * normal(1, 4)[0],
        "conv2": normal(3, 3, 4, 4),
        "same": normal(3, 3, 4, 4),
        "head": normal(4, CLASSES),
    }


def whole_numbers(seed=0):
    """Weights for which every activation of `plain` is exact in float32, whatever the batch: ties abound."""
    rng = np.random.default_rng(seed)
    params = {name: rng.integers(-1, 2, np.shape(leaf)).astype(np.float32) for name, leaf in parameters().items()}
    params["conv2"][..., 3] = 0  # a dead unit
    return params


@functools.cache
def net(seed=0) -> cv.Model:
    return cv.adapt(plain, jax.tree.map(jnp.asarray, parameters(seed)), input_shape=SHAPE, name="plain")


@functools.cache
def other_net() -> cv.Model:
    return cv.adapt(residual, parameters(), input_shape=SHAPE, name="residual")


@functools.cache
def exact_net() -> cv.Model:
    return net().with_params(jax.tree.map(jnp.asarray, whole_numbers()))


class Images:
    """Seeded images and labels; SWEEP_TEST_PAUSE_S slows each, SWEEP_TEST_LOADS names a file to note loads in."""

    def __init__(self, count=COUNT, seed=0):
        self._count, self._seed = count, seed

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        time.sleep(float(os.environ.get("SWEEP_TEST_PAUSE_S", "0")))
        if "SWEEP_TEST_LOADS" in os.environ:
            with open(os.environ["SWEEP_TEST_LOADS"], "a") as file:
                file.write(f"{index}\n")
        return {"image": self.some_image(index), "label": np.int32(index % CLASSES)}

    def some_image(self, index):
        return np.random.default_rng((self._seed, index)).uniform(size=SHAPE).astype(np.float32)

    def digest(self):
        return f"seeded images {self._seed} {self._count}"


def images():
    return Images()


def many_images():
    return Images(300)


class Coarse(Images):
    """Images of eighths, so that sums of products are exact; some equal, one NaN, one negative zero throughout."""

    def some_image(self, index):
        if index == 5:
            return np.full(SHAPE, np.nan, np.float32)
        if index == 6:
            return np.full(SHAPE, -0.0, np.float32)
        rng = np.random.default_rng((self._seed, index // 2))  # pairs of equal images
        return (rng.integers(0, 9, SHAPE) / 8).astype(np.float32)


def coarse():
    return Coarse()


def write_npz(path: Path, source=None, count=COUNT) -> Path:
    """Write a source's images and labels as an `.npz`."""
    source = source or Images(count)
    entries = [source.some_image(i) for i in range(count)]
    np.savez(path, images=np.stack(entries), labels=np.arange(count, dtype=np.int32) % CLASSES)
    return path
