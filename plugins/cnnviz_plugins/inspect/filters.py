"""Filters: the kernel of a layer, in (height, width, in, out) whatever the model's own layout."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax.plugin import FilterBank, Layer, LayerKindError, Model, Provenance, UsageError
from cnnviz_plugins.inspect.plugin import FiltersConfig


def build(config: FiltersConfig, model: Model) -> Callable[[Provenance], FilterBank]:
    """Return what reads the kernel of `config.layer`, or of the first convolution, or dense layer.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no kernel, or no layer has one.
        UsageError: `shape` does not fit a dense layer's inputs.

    Cost: none, no evaluation.
    """
    layer = layer_with_kernel(model, config.layer)

    def read(provenance: Provenance) -> FilterBank:
        kernel = np.asarray(layer.kernel, np.float32)
        if kernel.ndim == 2:
            kernel = _shaped(kernel, config.shape, model, layer)
        return FilterBank(kernel=kernel, layer=layer.name, provenance=provenance)

    return read


def _shaped(kernel: np.ndarray, shape: tuple[int, int] | None, model: Model, layer: Layer) -> np.ndarray:
    """Return a dense kernel as images where its inputs are pixels: said by `shape`, or as many as the model's."""
    inputs, units = kernel.shape
    height, width, channels = model.input_shape
    if shape is not None:
        if inputs % (shape[0] * shape[1]):
            raise UsageError(f"shape is {shape[0]} x {shape[1]}, and {layer.name} has {inputs} inputs")
        return kernel.reshape(*shape, -1, units)
    is_first = not any(other.kernel is not None for other in _before(model, layer))
    if is_first and inputs == height * width * channels and channels in (1, 3):
        return kernel.reshape(height, width, channels, units)
    return kernel[None, None]  # one row of inputs per unit


def _before(model: Model, layer: Layer) -> list[Layer]:
    layers = list(model.layers.values())
    return layers[: layers.index(layer)]


def layer_with_kernel(model: Model, name: str | None) -> Layer:
    """Return the layer of that name, or the first with a kernel, convolutions before dense ones.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: It has no kernel, or no layer has one.
    """
    if name is not None:
        layer = model.layers[name]
        if layer.kernel is None:
            raise LayerKindError(f"layer {layer.name!r} of {model.name} is a {layer.kind} and has no kernel")
        return layer
    held = [layer for layer in model.layers.values() if layer.kernel is not None]
    for layer in held:
        if layer.kind == "conv":
            return layer
    if not held:
        raise LayerKindError(f"{model.name} has no layer with a kernel")
    return held[0]
