"""Filters: the kernel of a layer whatever its layout, and where an image looks most like one of them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import FilterBank, FilterMatch, Layer, LayerKindError, Model, Provenance, UsageError, load_image
from cnnviz_plugins.inspect.plugin import FilterMatchConfig, FiltersConfig


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
    layers = list(model.layers.values())
    is_first = not any(other.kernel is not None for other in layers[: layers.index(layer)])
    if is_first and inputs == height * width * channels and channels in (1, 3):
        return kernel.reshape(height, width, channels, units)
    return kernel[None, None]  # one row of inputs per unit


def layer_with_kernel(model: Model, name: str | None) -> Layer:
    """Return the layer of that name, or the first with a kernel, convolutions before dense ones.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: It has no kernel, or no layer has one.
    """
    held = layers_with_kernel(model, name)
    return next((layer for layer in held if layer.kind == "conv"), held[0])


def layers_with_kernel(model: Model, name: str | None) -> list[Layer]:
    """Return the layer of that name, or all with a kernel.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: It has no kernel, or no layer has one.
    """
    named = list(model.layers.values()) if name is None else [model.layers[name]]
    held = [layer for layer in named if layer.kernel is not None]
    if held:
        return held
    if name is None:
        raise LayerKindError(f"{model.name} has no layer with a kernel")
    raise LayerKindError(f"layer {named[0].name!r} of {model.name} is a {named[0].kind} and has no kernel")


def match(config: FilterMatchConfig, model: Model) -> Callable[[Provenance], FilterMatch]:
    """Return what compares filter `config.unit` of a layer that reads the image with every patch of it.

    Raises:
        LayerNotFoundError: No such layer.
        LayerKindError: The layer has no kernel over the image's channels.
        UsageError: No image is named, or the layer has no such filter.
        ImageError: The image cannot be read.

    Cost: one convolution.
    """
    layer = layer_with_kernel(model, config.layer)
    kernel = np.asarray(layer.kernel, np.float64)
    if kernel.ndim != 4 or kernel.shape[2] != model.input_shape[2]:
        raise LayerKindError(
            f"layer {layer.name!r} has a kernel {kernel.shape}; a first convolution over {model.input_shape[2]} "
            "channels can be compared with an image"
        )
    if not 0 <= config.unit < kernel.shape[-1]:
        raise UsageError(f"layer {layer.name!r} has filters 0 to {kernel.shape[-1] - 1}, got {config.unit}")
    if not config.image:
        raise UsageError("say which image: image=FILE")
    image = load_image(config.image, model)

    def read(provenance: Provenance) -> FilterMatch:
        weights = kernel[..., config.unit].astype(np.float32)
        cosine = cosines((image - np.asarray(model.structure.mean)) / np.asarray(model.structure.std), weights)
        row, column = map(int, np.unravel_index(cosine.argmax(), cosine.shape))
        silent = () if weights.any() else (f"filter {config.unit} of {layer.name} is zero",)
        return FilterMatch(
            layer=layer.name,
            unit=config.unit,
            image=image,
            kernel=weights,
            cosine=cosine,
            at=(row, column),
            patch=image[row : row + weights.shape[0], column : column + weights.shape[1]],
            provenance=provenance,
            warnings=(*model.warnings, *silent),
        )

    return read


def cosines(
    image: Float[np.ndarray, "h w c"], weights: Float[np.ndarray, "k l c"]
) -> Float[np.ndarray, "rows columns"]:
    """Return the cosine of the filter with the patch at every place, 0 where either has no length."""
    image, weights = image.astype(np.float64), weights.astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(image, weights.shape[:2], (0, 1))  # rows columns c k l
    products = np.einsum("ijckl,klc->ij", windows, weights)
    length = np.sqrt((windows**2).sum((2, 3, 4))) * np.sqrt((weights**2).sum())
    return np.clip(products / np.where(length > 0, length, 1), -1, 1)
