"""The two networks of the adapter contract in Keras 3: `vgg` functional, `resnet` subclassed."""

from typing import Any

import keras
import numpy as np
from keras import layers

from tests.adapters.networks import CLASSES, INPUT_SHAPE, weights


def norm(name: str) -> layers.BatchNormalization:
    return layers.BatchNormalization(epsilon=1e-5, name=name)


def conv(channels: int, size: int, name: str, stride: int = 1) -> layers.Conv2D:
    return layers.Conv2D(channels, size, stride, padding="same", kernel_initializer="zeros", name=name)


def vgg() -> keras.Model:
    x = inputs = keras.Input(INPUT_SHAPE)
    for i, channels in ((1, 6), (2, 8)):
        x = norm(f"bn{i}")(conv(channels, 3, f"conv{i}")(x))
        x = layers.MaxPooling2D(2, name=f"pool{i}")(layers.ReLU(name=f"relu{i}")(x))
    x = layers.Dropout(0.5, name="drop")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(CLASSES, kernel_initializer="zeros", name="dense")(x)
    return keras.Model(inputs, x, name="vgg")


class Residual(layers.Layer):
    def __init__(self, name):
        super().__init__(name=name)
        self.conv1, self.bn1 = conv(6, 3, "conv1"), norm("bn1")
        self.conv2, self.bn2 = conv(6, 3, "conv2"), norm("bn2")
        self.relu = layers.ReLU(name="relu")

    def call(self, x, training=None):
        y = self.relu(self.bn1(self.conv1(x), training=training))
        return self.relu(x + self.bn2(self.conv2(y), training=training))


class Down(layers.Layer):
    def __init__(self, name):
        super().__init__(name=name)
        self.conv1, self.bn1 = conv(8, 3, "conv1", 2), norm("bn1")
        self.shortcut = conv(4, 1, "shortcut", 2)

    def call(self, x, training=None):
        y = keras.ops.relu(self.bn1(self.conv1(x), training=training))
        return keras.ops.concatenate([y, self.shortcut(x)], axis=-1)


class Resnet(keras.Model):
    def __init__(self):
        super().__init__(name="resnet")
        self.stem, self.stem_bn = conv(6, 3, "stem"), norm("stem_bn")
        self.layer1, self.layer2 = Residual("layer1"), Down("layer2")
        self.drop = layers.Dropout(0.5, name="drop")
        self.fc = layers.Dense(CLASSES, kernel_initializer="zeros", name="fc")

    def call(self, x, training=None):
        x = keras.ops.relu(self.stem_bn(self.stem(x), training=training))
        x = self.layer2(self.layer1(x, training=training), training=training)
        return self.fc(self.drop(keras.ops.mean(x, (1, 2)), training=training))


_WORDS = {"kernel": "kernel", "bias": "bias", "scale": "gamma", "mean": "moving_mean", "var": "moving_variance"}


def native(name: str) -> tuple[keras.Model]:
    """Return the network with its weights."""
    model = {"vgg": vgg, "resnet": Resnet}[name]()
    if not model.built:
        model(np.zeros((1, *INPUT_SHAPE), np.float32))
    variables = {variable.path.removeprefix(f"{name}/"): variable for variable in model.variables}
    for path, array in weights(name).items():
        *modules, word = path.split(".")
        word = "beta" if word == "bias" and "bn" in modules[-1] else _WORDS[word]
        variables["/".join((*modules, word))].assign(array)
    return (model,)


def outputs(name: str, x: np.ndarray) -> dict[str, Any]:
    """Return what each layer returned at its first call, as Keras's own sub-model or wrapped calls say."""
    (model,) = native(name)
    if name == "vgg":
        names = [layer.name for layer in model.layers[1:]]
        return dict(zip(names, keras.Model(model.input, [layer.output for layer in model.layers[1:]])(x), strict=True))
    found: dict[str, Any] = {}

    def watch(layer: Any, path: str) -> None:
        call = layer.call

        def recording(*args, **kwargs):
            out = call(*args, **kwargs)
            found.setdefault(path, out)
            return out

        layer.call = recording
        for inner in layer._flatten_layers(include_self=False, recursive=False):
            watch(inner, f"{path}.{inner.name}")

    for layer in model.layers:
        watch(layer, layer.name)
    model(x, training=False)
    return found
