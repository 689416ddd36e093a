"""Two small networks written in every framework with equal weights: the ground of the adapter contract.

`vgg`: conv, BatchNorm, functional relu and max pool, flatten, dropout, dense. `resnet`: a stem, a
residual block with one ReLU module called twice, a block with a strided shortcut and a concat, global
mean, dense. Attribute names are chosen so that every framework can use them. Sides are odd, so that
`SAME` means the same padding in every framework. Further frameworks have files of their own beside this one.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from jax import lax

import cnnviz_jax as cv

NAMES = ("vgg", "resnet")
INPUT_SHAPE = (15, 11, 3)
CLASSES = 5

_CONVS = {
    "vgg": {"conv1": (3, 3, 6), "conv2": (3, 6, 8)},
    "resnet": {
        "stem": (3, 3, 6),
        "layer1.conv1": (3, 6, 6),
        "layer1.conv2": (3, 6, 6),
        "layer2.conv1": (3, 6, 8),
        "layer2.shortcut": (1, 6, 4),
    },
}
_NORMS = {
    "vgg": {"bn1": 6, "bn2": 8},
    "resnet": {"stem_bn": 6, "layer1.bn1": 6, "layer1.bn2": 6, "layer2.bn1": 8},
}
_DENSE = {"vgg": ("dense", 3 * 2 * 8), "resnet": ("fc", 12)}


def weights(name: str) -> dict[str, np.ndarray]:
    """Return the network's parameters and statistics by dotted path, kernels HWIO."""
    random = np.random.RandomState(7)
    flat = {}
    for path, (size, inputs, outputs) in _CONVS[name].items():
        flat[f"{path}.kernel"] = random.normal(size=(size, size, inputs, outputs)) * 0.25
        flat[f"{path}.bias"] = random.normal(size=outputs) * 0.1
    for path, channels in _NORMS[name].items():
        flat[f"{path}.scale"] = 1 + 0.2 * random.normal(size=channels)
        flat[f"{path}.bias"] = 0.1 * random.normal(size=channels)
        flat[f"{path}.mean"] = 0.1 * random.normal(size=channels)
        flat[f"{path}.var"] = 1 + 0.5 * random.uniform(size=channels)
    path, inputs = _DENSE[name]
    flat[f"{path}.kernel"] = random.normal(size=(inputs, CLASSES)) * 0.2
    flat[f"{path}.bias"] = random.normal(size=CLASSES) * 0.1
    return {path: array.astype(np.float32) for path, array in flat.items()}


class LinenRelu(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.relu(x)


class LinenVgg(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = True):
        for i, channels in ((1, 6), (2, 8)):
            x = nn.Conv(channels, (3, 3), name=f"conv{i}")(x)
            x = nn.BatchNorm(use_running_average=not train, name=f"bn{i}")(x)
            x = nn.max_pool(nn.relu(x), (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(0.5, name="drop")(x, deterministic=not train)
        return nn.Dense(CLASSES, name="dense")(x)


class LinenResidual(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        relu = LinenRelu(name="relu")
        y = nn.BatchNorm(use_running_average=not train, name="bn1")(nn.Conv(6, (3, 3), name="conv1")(x))
        y = nn.Conv(6, (3, 3), name="conv2")(relu(y))
        y = nn.BatchNorm(use_running_average=not train, name="bn2")(y)
        return relu(x + y)


class LinenDown(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        y = nn.Conv(8, (3, 3), strides=(2, 2), name="conv1")(x)
        y = nn.relu(nn.BatchNorm(use_running_average=not train, name="bn1")(y))
        return jnp.concatenate([y, nn.Conv(4, (1, 1), strides=(2, 2), name="shortcut")(x)], axis=-1)


class LinenResnet(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = True):
        x = nn.BatchNorm(use_running_average=not train, name="stem_bn")(nn.Conv(6, (3, 3), name="stem")(x))
        x = LinenResidual(name="layer1")(nn.relu(x), train)
        x = LinenDown(name="layer2")(x, train)
        x = nn.Dropout(0.5, name="drop")(x.mean((1, 2)), deterministic=not train)
        return nn.Dense(CLASSES, name="fc")(x)


def linen(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """Return the Linen network and its variables."""
    flat = {tuple(path.split(".")): jnp.asarray(array) for path, array in weights(name).items()}
    parts: dict[str, Any] = {"params": {}, "batch_stats": {}}
    for path, array in flat.items():
        parts["batch_stats" if path[-1] in ("mean", "var") else "params"][path] = array
    variables = {collection: flax.traverse_util.unflatten_dict(tree) for collection, tree in parts.items()}
    return {"vgg": LinenVgg, "resnet": LinenResnet}[name](), variables


class NnxRelu(nnx.Module):
    def __call__(self, x):
        return nnx.relu(x)


# Drawing numbers that are then overwritten would compile for half a minute.
Conv = functools.partial(nnx.Conv, kernel_init=nnx.initializers.zeros_init())
Linear = functools.partial(nnx.Linear, kernel_init=nnx.initializers.zeros_init())


class NnxVgg(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = Conv(3, 6, (3, 3), rngs=rngs)
        self.bn1 = nnx.BatchNorm(6, rngs=rngs)
        self.conv2 = Conv(6, 8, (3, 3), rngs=rngs)
        self.bn2 = nnx.BatchNorm(8, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense = Linear(3 * 2 * 8, CLASSES, rngs=rngs)

    def __call__(self, x):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = nnx.max_pool(nnx.relu(bn(conv(x))), (2, 2), strides=(2, 2))
        return self.dense(self.drop(x.reshape(x.shape[0], -1)))


class NnxResidual(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = Conv(6, 6, (3, 3), rngs=rngs)
        self.bn1 = nnx.BatchNorm(6, rngs=rngs)
        self.conv2 = Conv(6, 6, (3, 3), rngs=rngs)
        self.bn2 = nnx.BatchNorm(6, rngs=rngs)
        self.relu = NnxRelu()

    def __call__(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(x + self.bn2(self.conv2(y)))


class NnxDown(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = Conv(6, 8, (3, 3), strides=(2, 2), rngs=rngs)
        self.bn1 = nnx.BatchNorm(8, rngs=rngs)
        self.shortcut = Conv(6, 4, (1, 1), strides=(2, 2), rngs=rngs)

    def __call__(self, x):
        return jnp.concatenate([nnx.relu(self.bn1(self.conv1(x))), self.shortcut(x)], axis=-1)


class NnxResnet(nnx.Module):
    def __init__(self, rngs):
        self.stem = Conv(3, 6, (3, 3), rngs=rngs)
        self.stem_bn = nnx.BatchNorm(6, rngs=rngs)
        self.layer1 = NnxResidual(rngs)
        self.layer2 = NnxDown(rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.fc = Linear(12, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = self.layer2(self.layer1(nnx.relu(self.stem_bn(self.stem(x)))))
        return self.fc(self.drop(x.mean((1, 2))))


def nnx_module(name: str) -> nnx.Module:
    """Return the NNX network, in training mode as its constructor leaves it."""
    module = {"vgg": NnxVgg, "resnet": NnxResnet}[name](nnx.Rngs(0))
    for path, array in weights(name).items():
        node: Any = module
        for part in path.split("."):
            node = getattr(node, part)
        node.set_value(jnp.asarray(array))
    return module


def function(name: str, axes: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a plain function of (params, x) and its params, nested; kernels OIHW for NCHW."""
    params = {path: jnp.asarray(array) for path, array in weights(name).items()}
    if axes == "NCHW":
        params = {k: v.transpose(3, 2, 0, 1) if v.ndim == 4 else v for k, v in params.items()}
    nested = flax.traverse_util.unflatten_dict(params, sep=".")
    plain = _Plain(axes)
    return {"vgg": plain.vgg, "resnet": plain.resnet}[name], nested


class _Plain:
    """The layers of the plain functions in one layout, each in its own named scope."""

    def __init__(self, axes: str) -> None:
        self.axes = axes
        self.channel = axes.index("C")
        self.spatial = (axes.index("H"), axes.index("W"))

    def wide(self, v):
        return v.reshape([-1 if i == self.channel else 1 for i in range(4)])

    def conv(self, params, name, x, stride=1):
        kernel = "HWIO" if self.axes == "NHWC" else "OIHW"
        with jax.named_scope(name):
            y = lax.conv_general_dilated(
                x, params[name]["kernel"], (stride, stride), "SAME", dimension_numbers=(self.axes, kernel, self.axes)
            )
            return y + self.wide(params[name]["bias"])

    def norm(self, params, name, x):
        with jax.named_scope(name):
            p = {key: self.wide(value) for key, value in params[name].items()}
            return (x - p["mean"]) * (lax.rsqrt(p["var"] + 1e-5) * p["scale"]) + p["bias"]

    def pool(self, x):
        window = tuple(2 if i in self.spatial else 1 for i in range(4))
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")

    def dense(self, params, name, x):
        with jax.named_scope(name):
            return x @ params[name]["kernel"] + params[name]["bias"]

    def relu(self, x):
        with jax.named_scope("relu"):
            return jax.nn.relu(x)

    def vgg(self, params, x):
        for i in (1, 2):
            x = self.norm(params, f"bn{i}", self.conv(params, f"conv{i}", x))
            x = self.pool(jax.nn.relu(x))
        # The dense weights were made for channels last.
        x = jnp.moveaxis(x, self.channel, -1)
        return self.dense(params, "dense", x.reshape(x.shape[0], -1))

    def resnet(self, params, x):
        x = jax.nn.relu(self.norm(params, "stem_bn", self.conv(params, "stem", x)))
        with jax.named_scope("layer1"):
            block = params["layer1"]
            y = self.relu(self.norm(block, "bn1", self.conv(block, "conv1", x)))
            x = self.relu(x + self.norm(block, "bn2", self.conv(block, "conv2", y)))
        with jax.named_scope("layer2"):
            block = params["layer2"]
            y = jax.nn.relu(self.norm(block, "bn1", self.conv(block, "conv1", x, 2)))
            x = jnp.concatenate([y, self.conv(block, "shortcut", x, 2)], axis=self.channel)
        return self.dense(params, "fc", x.mean(self.spatial))


FRAMEWORKS = ("linen", "nnx", "callable", "callable-nchw")
FURTHER = ("equinox", "haiku", "keras", "torch")
"""Frameworks that may not be installed; each has its networks in a file of its own."""
EVERY = (*FRAMEWORKS, *FURTHER)


def further(framework: str) -> Any:
    """Return the module with that framework's networks, or skip the test where the framework is not installed."""
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    return importlib.import_module(f"tests.adapters.{framework}_networks")


def native(framework: str, name: str) -> tuple[Any, ...]:
    """Return what the user of that framework holds: the arguments of `cv.adapt`."""
    if framework in FURTHER:
        return further(framework).native(name)
    if framework == "linen":
        return linen(name)
    if framework == "nnx":
        return (nnx_module(name),)
    return function(name, "NCHW" if framework.endswith("nchw") else "NHWC")


def adapted(framework: str, name: str, **options: Any) -> cv.Model:
    """Return the network as a model, adapted from that framework."""
    axes = "NCHW" if framework.endswith("nchw") else None
    return cv.adapt(*native(framework, name), input_shape=INPUT_SHAPE, axes=axes, **options)


@functools.cache
def model_of(framework: str, name: str) -> cv.Model:
    """Return the same, made once in a process."""
    return adapted(framework, name)


def parameter(framework: str, path: str) -> str:
    """Return what a framework calls the parameter that is `path` here."""
    owner, _, word = path.rpartition(".")
    norm = "bn" in owner
    words = {
        "equinox": {"kernel": "weight", "scale": "weight"},
        "torch": {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"},
        "keras": {
            "scale": "gamma", "mean": "moving_mean", "var": "moving_variance", "bias": "beta" if norm else "bias",
        },
        "haiku": {
            "kernel": "w", "mean": "mean_ema.average", "var": "var_ema.average", "bias": "offset" if norm else "b",
        },
    }  # fmt: skip
    return f"{owner}.{words.get(framework, {}).get(word, word)}"


def images(count: int) -> np.ndarray:
    """Return images in [0, 1]."""
    return np.random.RandomState(3).uniform(size=(count, *INPUT_SHAPE)).astype(np.float32)
