"""What an image looks like where it is occluded: the option `fill`, shared by the family."""

from typing import TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnnviz_jax.plugin import Case, Fill, GivenArray, Model, UsageError, word_and_number
from cnnviz_plugins.explain.perturbation.part_options import SEGMENT_FILLS


def resolved_fill(fill: Fill, model: Model) -> Fill:
    """Return `fill` checked against the model, `model-mean` replaced by what the model subtracts.

    Raises:
        UsageError: The fill has another number of values than images have channels.
    """
    depth = model.input_shape[2]
    if fill == "model-mean":
        return tuple(model.structure.mean)
    if isinstance(fill, tuple) and len(fill) != depth:
        raise UsageError(f"fill has {len(fill)} values, images have {depth} channels")
    return fill


def is_word(fill: Fill) -> TypeGuard[str]:
    """Return whether a fill is said in words, not by numbers or an array."""
    return isinstance(fill, str) and not isinstance(fill, GivenArray)


def occluding_fill(
    fill: Fill, case: Case, segments: Int[Array, "h w *c"] | None = None, count: int = 0
) -> Float[Array, "h w c"]:
    """Return the image as it looks where occluded.

    Args:
        fill: As `resolved_fill` returns it.
        case: The image, the network that looks at it and, for `noise`, a key.
        segments: For `segment-mean`: the segment of each pixel, or of each value.
        count: For `segment-mean`: the number of segments.
    """
    if not is_word(fill) or word_and_number(fill, "fill", SEGMENT_FILLS)[0] != "segment-mean":
        return case.filled(fill, key=case.key)
    if segments is None:
        raise UsageError("fill 'segment-mean' needs segments")
    image = case.image
    # A segment has one mean for each channel: segment s of 3 channels has the places 3 s, 3 s + 1 and 3 s + 2.
    depth = image.shape[-1]
    numbers = (segments if segments.ndim == 3 else segments[:, :, None]) * depth + jnp.arange(depth)
    sums = jax.ops.segment_sum(image.reshape(-1), numbers.reshape(-1), count * depth)
    sizes = jax.ops.segment_sum(jnp.ones(image.size, image.dtype), numbers.reshape(-1), count * depth)
    return (sums / jnp.maximum(sizes, 1))[numbers]
