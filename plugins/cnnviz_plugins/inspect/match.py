"""The cosine of one filter with every patch of one image: where the image looks most like the filter."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.plugin import FilterMatch, LayerKindError, Model, Provenance, UsageError, load_image
from cnnviz_plugins.inspect.filters import layer_with_kernel
from cnnviz_plugins.inspect.plugin import FilterMatchConfig


def build(config: FilterMatchConfig, model: Model) -> Callable[[Provenance], FilterMatch]:
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
