"""The two networks of the adapter contract in Haiku: modules made in the constructor, statistics in the state."""

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from tests.adapters.networks import CLASSES, weights


class Relu(hk.Module):
    def __call__(self, x):
        return jax.nn.relu(x)


def norm(name: str) -> hk.BatchNorm:
    return hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9, name=name)


class Vgg(hk.Module):
    def __init__(self):
        super().__init__(name="vgg")
        self.blocks = [(hk.Conv2D(6, 3, name="conv1"), norm("bn1")), (hk.Conv2D(8, 3, name="conv2"), norm("bn2"))]

    def __call__(self, x, is_training):
        for conv, bn in self.blocks:
            x = hk.max_pool(jax.nn.relu(bn(conv(x), is_training)), (2, 2, 1), (2, 2, 1), "VALID")
        x = hk.Flatten()(x)
        if is_training:
            x = hk.dropout(hk.next_rng_key(), 0.5, x)
        return hk.Linear(CLASSES, name="dense")(x)


class Residual(hk.Module):
    def __call__(self, x, is_training):
        relu = Relu(name="relu")
        y = relu(norm("bn1")(hk.Conv2D(6, 3, name="conv1")(x), is_training))
        return relu(x + norm("bn2")(hk.Conv2D(6, 3, name="conv2")(y), is_training))


class Down(hk.Module):
    def __call__(self, x, is_training):
        y = norm("bn1")(hk.Conv2D(8, 3, stride=2, name="conv1")(x), is_training)
        return jnp.concatenate([jax.nn.relu(y), hk.Conv2D(4, 1, stride=2, name="shortcut")(x)], axis=-1)


class Resnet(hk.Module):
    def __call__(self, x, is_training):
        x = jax.nn.relu(norm("stem_bn")(hk.Conv2D(6, 3, name="stem")(x), is_training))
        x = Residual(name="layer1")(x, is_training)
        x = Down(name="layer2")(x, is_training).mean((1, 2))
        if is_training:
            x = hk.dropout(hk.next_rng_key(), 0.5, x)
        return hk.Linear(CLASSES, name="fc")(x)


_WORDS = {"kernel": "w", "bias": "b", "scale": "scale", "mean": "mean_ema", "var": "var_ema"}


def vgg(x, is_training):
    return Vgg()(x, is_training)


def resnet(x, is_training):
    return Resnet(name="resnet")(x, is_training)


def native(name: str) -> tuple[hk.TransformedWithState, Any, Any]:
    """Return the transformed function, its parameters and its state."""
    params: dict[str, dict[str, Any]] = {}
    state: dict[str, dict[str, Any]] = {}
    for path, array in weights(name).items():
        *modules, word = path.split(".")
        inner = "~/" if name == "vgg" and modules[0] != "dense" else ""
        module, value = f"{name}/{inner}{'/'.join(modules)}", jnp.asarray(array)
        if word in ("mean", "var"):
            value = value.reshape(1, 1, 1, -1)
            ema = {"hidden": value * 0, "average": value, "counter": jnp.zeros((), jnp.int32)}
            state[f"{module}/~/{_WORDS[word]}"] = ema
        elif "bn" in modules[-1]:
            params.setdefault(module, {})["offset" if word == "bias" else word] = value.reshape(1, 1, 1, -1)
        else:
            params.setdefault(module, {})[_WORDS[word]] = value
    return hk.transform_with_state({"vgg": vgg, "resnet": resnet}[name]), params, state


def outputs(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what Haiku's own interceptor says each module returned at its first call, by dotted path."""
    transformed, params, state = native(name)
    found: dict[str, Any] = {}

    def record(call, args, kwargs, context):
        out = call(*args, **kwargs)
        parts = [part for part in context.module.module_name.split("/")[1:] if part != "~"]
        if context.method_name == "__call__" and parts and "ema" not in parts[-1]:
            found.setdefault(".".join(parts), out)
        return out

    with hk.intercept_methods(record):
        transformed.apply(params, state, None, x, is_training=False)
    return found
