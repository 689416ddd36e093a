"""Keras Applications on the JAX backend: all of them."""

import contextlib
import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from zoos.network import Architecture, Network, paths_above, random_leaf

SMALLEST = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75, "NASNetLarge": 64, "NASNetMobile": 64}
"""Pixels below which a network refuses images, where that is above 64."""


def architectures() -> Iterator[Architecture]:
    """Yield the networks, quicker ones first."""
    for name in NETWORKS:
        yield Architecture("keras", name, partial(_built, name))


def _built(name: str) -> Network:
    extra = {"include_preprocessing": False} if name.startswith(("MobileNetV3", "EfficientNetV2", "ConvNeXt")) else {}
    return network(name, SMALLEST.get(name, 64), **extra)


def network(name: str, size: int, *positional: Any, **options: Any) -> Network:
    """Return a network of `keras.applications` as a `Network`; arguments are its function's own."""
    import keras
    import numpy as np

    from zoos.jax_modules import compiled_forward

    rng = np.random.default_rng(0)
    shape = (size, size, 3)
    module, _, function = name.rpartition(".")
    home = importlib.import_module(f"keras.src.applications.{module}") if module else keras.applications
    with _kernels_by_numpy(rng):
        model = getattr(home, function)(
            *positional, weights=None, classes=10, classifier_activation=None, input_shape=shape, **options
        )
    for variable in model.variables:
        if len(variable.shape) == 1:
            variable.assign(random_leaf(variable.path.replace("/", "."), tuple(variable.shape), variable.dtype, rng))
    held = [[each.value for each in group] for group in (model.trainable_variables, model.non_trainable_variables)]
    forward = compiled_forward(lambda a, b, x: model.stateless_call(a, b, x, training=False)[0], *held)
    names = [path for layer in model.layers for path in _paths(layer, "")]
    return Network((model,), shape, forward, paths_above(names))


def _paths(layer: Any, above: str) -> Iterator[str]:
    path = f"{above}{layer.name}"
    yield path
    for inner in getattr(layer, "layers", ()):
        yield from _paths(inner, f"{path}.")


@contextlib.contextmanager
def _kernels_by_numpy(rng: Any) -> Iterator[None]:
    """Draw kernels by NumPy: Keras compiles a program for every shape that it draws."""
    from keras.src.initializers import random_initializers

    scaling = random_initializers.VarianceScaling
    before = scaling.__call__
    scaling.__call__ = lambda self, shape, dtype=None: random_leaf("kernel", tuple(shape), dtype or "float32", rng)
    try:
        yield
    finally:
        scaling.__call__ = before


NETWORKS = (
    "MobileNet", "VGG16", "VGG19", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "ResNet50", "ResNet50V2",
    "Xception", "EfficientNetB0", "ConvNeXtTiny", "EfficientNetV2B0", "InceptionV3", "DenseNet121", "EfficientNetB1",
    "EfficientNetV2B1", "EfficientNetB2", "EfficientNetV2B2", "ResNet101", "ResNet101V2", "NASNetMobile",
    "EfficientNetV2B3", "EfficientNetB3", "ConvNeXtSmall", "DenseNet169", "ResNet152", "ResNet152V2", "DenseNet201",
    "EfficientNetB4", "InceptionResNetV2", "EfficientNetV2S", "ConvNeXtBase", "EfficientNetB5", "EfficientNetV2M",
    "EfficientNetB6", "EfficientNetB7", "NASNetLarge", "ConvNeXtLarge", "EfficientNetV2L", "ConvNeXtXLarge",
)  # fmt: skip
