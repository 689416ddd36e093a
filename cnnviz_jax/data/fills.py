"""Images that stand for "nothing there": what a baseline, an occluded or a deleted pixel looks like.

A fill is a number, one number per channel, or words: `zero`, `value(0.5)`, `mean` (of the image),
`model-mean` (what the model subtracts), `blur(sigma in pixels)`, `noise` (uniform in [0, 1)).
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from cnnviz_jax.data.noise import uniform_noise
from cnnviz_jax.errors import UsageError
from cnnviz_jax.options.fills import FILL_WORDS, Fill
from cnnviz_jax.options.values import word_and_number


class Normalised(Protocol):
    """What knows the mean that it subtracts from images: a `cv.Model`."""

    @property
    def structure(self) -> Any:
        """Has the field `mean`, one number per channel."""
        ...


def fill_of(
    image: Float[Array, "h w c"], fill: Fill, model: Normalised, *, key: Key[Array, ""] | None = None
) -> Float[Array, "h w c"]:
    """Return the image that `fill` makes of `image`; traceable.

    Args:
        image: One image.
        fill: See the module; check it with `cnnviz_jax.options.fills.check_fill` before tracing.
        model: Says what `model-mean` is.
        key: For `noise`.

    Raises:
        UsageError: `noise` without a key, or as many numbers as the image has no channels.
    """
    if not isinstance(fill, str):
        numbers = np.atleast_1d(np.asarray(fill, np.float32))
        if image.shape == (1, numbers.size, 1):  # a vector of so many numbers, as it is held
            return jnp.asarray(numbers.reshape(image.shape), image.dtype)
        if numbers.size not in (1, image.shape[-1]):
            raise UsageError(f"a fill has 1 or {image.shape[-1]} numbers for these images, got {numbers.size}")
        return jnp.broadcast_to(jnp.asarray(numbers, image.dtype), image.shape)
    word, number = word_and_number(fill, "fill", FILL_WORDS)
    if word == "mean":
        return jnp.broadcast_to(image.mean((0, 1)), image.shape)
    if word == "model-mean":
        return jnp.broadcast_to(jnp.asarray(model.structure.mean, image.dtype), image.shape)
    if word == "blur":
        return blurred(image, number or 0.0, model.structure.extents)
    if word == "noise":
        if key is None:
            raise UsageError("the fill 'noise' needs a key")
        return uniform_noise(key, image.shape, image.dtype)
    return jnp.full(image.shape, number or 0.0, image.dtype)


def blurred(image: Float[Array, "h w c"], sigma: float, extents: tuple[int, ...] = ()) -> Float[Array, "h w c"]:
    """Return the image under a Gaussian of `sigma` pixels, borders repeated, cut at 4 sigma.

    Args:
        image: The image.
        sigma: In pixels; of a volume in voxels, along all three axes.
        extents: Depth, height and width of a volume, whose slices stand one below the other.
    """
    if len(extents) > 2:
        slices = image.reshape(extents[0], -1, *image.shape[1:])
        within = jax.vmap(lambda each: blurred(each, sigma, extents[1:]))(slices)
        depth = jnp.asarray(_smoothing(extents[0], sigma), image.dtype)
        return jnp.tensordot(depth, within, 1).reshape(image.shape)
    rows, cols = (jnp.asarray(_smoothing(size, sigma), image.dtype) for size in image.shape[:2])
    return jnp.einsum("ij,jkc,lk->ilc", rows, image, cols)


def _smoothing(size: int, sigma: float) -> Float[np.ndarray, "size size"]:
    """The Gaussian along one axis as a matrix, borders folded in: its size does not grow with sigma."""
    if sigma <= 0:
        return np.eye(size)
    radius = max(1, round(4 * sigma))
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    matrix = np.zeros((size, size))
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        matrix[np.arange(size), np.clip(np.arange(size) + step, 0, size - 1)] += weight
    return matrix
