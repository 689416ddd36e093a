"""The two networks of the adapter contract in Equinox: unbatched, channels first, statistics in a State."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tests.adapters.networks import CLASSES, weights


class Relu(eqx.Module):
    def __call__(self, x):
        return jax.nn.relu(x)


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> eqx.nn.Conv2d:
    return eqx.nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, key=jax.random.key(0))


def norm(channels: int) -> eqx.nn.BatchNorm:
    return eqx.nn.BatchNorm(channels, "batch", mode="ema")


class Vgg(eqx.Module):
    conv1: eqx.nn.Conv2d
    bn1: eqx.nn.BatchNorm
    conv2: eqx.nn.Conv2d
    bn2: eqx.nn.BatchNorm
    pool: eqx.nn.MaxPool2d
    drop: eqx.nn.Dropout
    dense: eqx.nn.Linear

    def __init__(self):
        self.conv1, self.bn1 = conv(3, 6, 3), norm(6)
        self.conv2, self.bn2 = conv(6, 8, 3), norm(8)
        self.pool = eqx.nn.MaxPool2d(2, 2)
        self.drop = eqx.nn.Dropout(0.5)
        self.dense = eqx.nn.Linear(3 * 2 * 8, CLASSES, key=jax.random.key(0))

    def __call__(self, x, state, *, key=None):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x, state = bn(conv(x), state)
            x = self.pool(jax.nn.relu(x))
        x = jnp.moveaxis(x, 0, -1).reshape(-1)  # the dense weights were made for channels last
        return self.dense(self.drop(x, key=key)), state


class Residual(eqx.Module):
    conv1: eqx.nn.Conv2d
    bn1: eqx.nn.BatchNorm
    conv2: eqx.nn.Conv2d
    bn2: eqx.nn.BatchNorm
    relu: Relu

    def __init__(self):
        self.conv1, self.bn1 = conv(6, 6, 3), norm(6)
        self.conv2, self.bn2 = conv(6, 6, 3), norm(6)
        self.relu = Relu()

    def __call__(self, x, state):
        y, state = self.bn1(self.conv1(x), state)
        y, state = self.bn2(self.conv2(self.relu(y)), state)
        return self.relu(x + y), state


class Down(eqx.Module):
    conv1: eqx.nn.Conv2d
    bn1: eqx.nn.BatchNorm
    shortcut: eqx.nn.Conv2d

    def __init__(self):
        self.conv1, self.bn1 = conv(6, 8, 3, 2), norm(8)
        self.shortcut = conv(6, 4, 1, 2)

    def __call__(self, x, state):
        y, state = self.bn1(self.conv1(x), state)
        return jnp.concatenate([jax.nn.relu(y), self.shortcut(x)]), state


class Resnet(eqx.Module):
    stem: eqx.nn.Conv2d
    stem_bn: eqx.nn.BatchNorm
    layer1: Residual
    layer2: Down
    drop: eqx.nn.Dropout
    fc: eqx.nn.Linear

    def __init__(self):
        self.stem, self.stem_bn = conv(3, 6, 3), norm(6)
        self.layer1, self.layer2 = Residual(), Down()
        self.drop = eqx.nn.Dropout(0.5)
        self.fc = eqx.nn.Linear(12, CLASSES, key=jax.random.key(0))

    def __call__(self, x, state, *, key=None):
        x, state = self.stem_bn(self.stem(x), state)
        x, state = self.layer1(jax.nn.relu(x), state)
        x, state = self.layer2(x, state)
        return self.fc(self.drop(x.mean((1, 2)), key=key)), state


def native(name: str) -> tuple[eqx.Module, eqx.nn.State]:
    """Return the network in training mode, as its constructor leaves it, and its statistics."""
    module, state = eqx.nn.make_with_state({"vgg": Vgg, "resnet": Resnet}[name])()
    flat = {path: jnp.asarray(array) for path, array in weights(name).items()}
    for path, value in flat.items():
        owner, _, word = path.rpartition(".")
        if word in ("scale", "kernel", "bias"):
            attribute = "bias" if word == "bias" else "weight"
            old = getattr(_at(module, owner), attribute)
            new = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            module = eqx.tree_at(lambda m, o=owner, a=attribute: getattr(_at(m, o), a), module, new.reshape(old.shape))
        elif word == "mean":
            index = _at(module, owner).ema_state_index
            state = state.set(index, (value, flat[f"{owner}.var"]))
    return module, state


def _at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = getattr(node, part)
    return node


def outputs(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what modules of the ResNet return, called by hand: Equinox has no capture. Channels last."""
    module, state = native(name)
    module = eqx.nn.inference_mode(module)
    found: dict[str, Any] = {}

    def call(path, module, x, *rest):
        out = jax.vmap(lambda one: module(one, *rest))(x)
        found[path] = out[0] if rest else out
        return found[path]

    x = jnp.asarray(x).transpose(0, 3, 1, 2)
    if name == "vgg":
        for i in (1, 2):
            conv, bn = getattr(module, f"conv{i}"), getattr(module, f"bn{i}")
            y = call(f"bn{i}", bn, call(f"conv{i}", conv, x), state)
            x = jax.vmap(module.pool)(jax.nn.relu(y))
        call("dense", module.dense, x.transpose(0, 2, 3, 1).reshape(len(x), -1))
    else:
        x = jax.nn.relu(call("stem_bn", module.stem_bn, call("stem", module.stem, x), state))
        block = module.layer1
        y = call("layer1.relu", block.relu, call("layer1.bn1", block.bn1, call("layer1.conv1", block.conv1, x), state))
        call("layer1.bn2", block.bn2, call("layer1.conv2", block.conv2, y), state)
        x = call("layer1", block, x, state)
        call("layer2.conv1", module.layer2.conv1, x)
        call("layer2.shortcut", module.layer2.shortcut, x)
        call("fc", module.fc, call("layer2", module.layer2, x, state).mean((2, 3)))
    return {path: np.moveaxis(value, 1, -1) for path, value in found.items()}
