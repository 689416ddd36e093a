"""Filters: the kernel of a layer, in (height, width, in, out) whatever the model's own layout."""

from collections.abc import Callable

import numpy as np

from cnnviz_jax import FilterBank, Model
from cnnviz_jax.errors import LayerKindError
from cnnviz_jax.layers import Layer
from cnnviz_jax.results import Provenance
from cnnviz_plugins.inspect.plugin import FiltersConfig


def build(config: FiltersConfig, model: Model) -> Callable[[Provenance], FilterBank]:
    """Return what reads the kernel of `config.layer`, or of the first convolution.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no kernel, or the model has no convolution.

    Cost: none, no evaluation.
    """
    layer = _with_kernel(model, config.layer)

    def read(provenance: Provenance) -> FilterBank:
        kernel = np.asarray(layer.kernel, np.float32)
        if kernel.ndim == 2:  # dense: one row of inputs per unit
            kernel = kernel[None, None]
        return FilterBank(kernel=kernel, layer=layer.name, provenance=provenance)

    return read


def _with_kernel(model: Model, name: str | None) -> Layer:
    if name is not None:
        layer = model.layers[name]
        if layer.kernel is None:
            raise LayerKindError(f"layer {layer.name!r} of {model.name} is a {layer.kind} and has no kernel")
        return layer
    for layer in model.layers.values():
        if layer.kind == "conv" and layer.kernel is not None:
            return layer
    raise LayerKindError(f"{model.name} has no convolution with a kernel; say layer=")
