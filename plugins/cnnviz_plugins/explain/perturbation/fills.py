"""What a picture looks like where it is covered: the option `fill`, shared by the family."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from cnnviz_jax import Model
from cnnviz_jax.errors import UsageError
from cnnviz_jax.wording import word_and_number
from cnnviz_plugins.explain.perturbation.plugin import SEGMENT_FILLS, Fill


def settled(fill: Fill, model: Model) -> Fill:
    """Return `fill` checked against the model, `model-mean` replaced by what the model subtracts.

    Raises:
        UsageError: The fill has another number of values than pictures have channels.
    """
    depth = model.input_shape[2]
    if fill == "model-mean":
        return tuple(model.structure.mean)
    if isinstance(fill, tuple) and len(fill) != depth:
        raise UsageError(f"fill has {len(fill)} values, pictures have {depth} channels")
    return fill


def cover(
    fill: Fill,
    image: Float[Array, "h w c"],
    key: Key[Array, ""],
    segments: Int[Array, "h w"] | None = None,
    count: int = 0,
) -> Float[Array, "h w c"]:
    """Return the picture as it looks where covered.

    Args:
        fill: As `settled` returns it.
        image: The picture.
        key: For `noise`.
        segments: For `segment-mean`: the segment of each pixel.
        count: For `segment-mean`: the number of segments.
    """
    if not isinstance(fill, str):
        return jnp.broadcast_to(jnp.asarray(fill, image.dtype), image.shape)
    word, sigma = word_and_number(fill, "fill", SEGMENT_FILLS)
    if word == "mean":
        return jnp.broadcast_to(image.mean((0, 1)), image.shape)
    if word == "noise":
        return jax.random.uniform(key, image.shape, image.dtype)
    if word == "segment-mean":
        if segments is None:
            raise UsageError("fill 'segment-mean' needs segments")
        pixels, numbers = image.reshape(-1, image.shape[-1]), segments.reshape(-1)
        sums = jax.ops.segment_sum(pixels, numbers, count)
        sizes = jax.ops.segment_sum(jnp.ones_like(pixels[:, :1]), numbers, count)
        return (sums / jnp.maximum(sizes, 1))[segments]
    return blurred(image, sigma or 0.0)


def blurred(image: Float[Array, "h w c"], sigma: float) -> Float[Array, "h w c"]:
    """Return the picture under a Gaussian of `sigma` pixels, borders repeated, cut at 4 sigma."""
    rows, cols = (jnp.asarray(_smoothing(size, sigma), image.dtype) for size in image.shape[:2])
    return jnp.einsum("ij,jkc,lk->ilc", rows, image, cols)


def _smoothing(size: int, sigma: float) -> Float[np.ndarray, "size size"]:
    """The Gaussian as a matrix along one axis."""
    if sigma <= 0:
        return np.eye(size)
    radius = max(1, round(4 * sigma))
    steps = np.arange(-radius, radius + 1)
    taps = np.exp(-0.5 * (steps / sigma) ** 2)
    matrix = np.zeros((size, size))
    for step, tap in zip(steps, taps / taps.sum(), strict=True):
        matrix[np.arange(size), np.clip(np.arange(size) + step, 0, size - 1)] += tap
    return matrix
