"""Arrays that a caller gives: the check that they are what the model takes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.data.held import Held
from cnnviz_jax.errors import ImageError, UsageError

Images = Array | np.ndarray | Sequence[Any] | Mapping[str, Any]
"""What public functions take and `check_images` judges: images (n, h, w, c) in [0, 1], or one of them.

For models of several inputs a mapping of arrays by name.
"""


def image_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return one name per image: those given, or `image 0` and so on.

    Raises:
        ImageError: There are more or fewer names than images.
    """
    found = tuple(names) if names is not None else tuple(f"image {i}" for i in range(count))
    if len(found) != count:
        raise ImageError(f"{len(found)} names for {count} images; give one for each")
    return found


@overload
def check_images(
    images: Any, input_shape: tuple[int, int, int], *, space: Held | None = None
) -> Float[np.ndarray, "n h w c"]: ...


@overload
def check_images(
    images: Any, input_shape: tuple[int, int, int], *, on_device: Literal[True], space: Held | None = None
) -> Float[Array | np.ndarray, "n h w c"]: ...


def check_images(
    images: Any, input_shape: tuple[int, int, int], *, on_device: bool = False, space: Held | None = None
) -> Float[Array | np.ndarray, "n h w c"]:
    """Return images as float32 (n, h, w, c); one image gets a leading axis, and bytes are divided by 255.

    Args:
        images: Any array, or images in a sequence.
        input_shape: Height, width and channels that the model takes.
        space: How inputs that are no images are held as such.
        on_device: Leave images that are a JAX array where they are; else they come as a NumPy array.

    Raises:
        ImageError: Wrong number of axes, size or channels, whole numbers of no known scale, or NaN.
        UsageError: The images are traced.
    """
    if isinstance(images, jax.core.Tracer):
        raise UsageError(
            "the images are traced by jit, vmap or grad, and this function looks at their numbers; call it outside, or "
            "transform what it differentiates: jax.grad(lambda image: model.score(image, target)[0]), model.run or "
            "model(images)"
        )
    images = images if space is None else space.packed(images)
    if isinstance(images, Mapping):
        raise ImageError(f"the model takes one input, got a mapping of {', '.join(map(str, images))}")
    array = _on_default_device(images) if on_device and isinstance(images, jax.Array) else np.asarray(images)
    numbers: Any = jnp if isinstance(array, jax.Array) else np
    kind = jnp.issubdtype
    if array.dtype == np.uint8:
        array = of_bytes(array)
    elif array.dtype.kind in "iu" and isinstance(images, Sequence):  # zeros and ones, typed in
        array = array.astype(np.float32)
    if not kind(array.dtype, jnp.floating):
        raise ImageError(
            f"images are floats in [0, 1] or bytes (uint8), got {array.dtype}; divide whole numbers by their largest"
        )
    array = array.astype(np.float32)
    if space is not None:
        single, many = array.shape == space.shape, array.shape[1:] == space.shape
        if not single and not many and array.shape[1:] != space.image:
            raise ImageError(
                f"the model takes {space.words} of shape {space.shape}, or several (n, *shape); got an array of shape "
                f"{array.shape}"
            )
        array = space.held(array[None] if single else array)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[1:] != tuple(input_shape):
        raise ImageError(
            f"the model takes images of (height, width, channels) = {tuple(input_shape)}, got an array of shape "
            f"{np.shape(images)}; {_remedy(np.shape(images), input_shape)}"
        )
    if len(array) == 0:
        raise ImageError("no images: the first axis is empty")
    finite = np.asarray(numbers.isfinite(array).reshape(len(array), -1).all(1))
    if not finite.all():
        raise ImageError(f"image {int(np.argmin(finite))} has values that are not finite")
    return array


def _remedy(shape: tuple[int, ...], input_shape: tuple[int, int, int]) -> str:
    if is_of_other_axes(shape, input_shape):
        return f"this function is of images alone, {OTHER_AXES}"
    return "cv.load_image(file, model) makes them fit"


OTHER_AXES = (
    "while cv.explain, cv.measure, cv.compare, cv.capture, cv.inspect, cv.survey and cv.synthesize take series and "
    "volumes"
)
"""What is said where a function of images is given others."""


def is_of_other_axes(shape: tuple[int, ...], input_shape: tuple[int, int, int]) -> bool:
    """Return whether an array holds the series or volumes that a model of such images as they are held takes."""
    if len(shape) < 2 or tuple(shape[-2:]) != tuple(input_shape[1:]):
        return False
    is_volume = len(shape) in (4, 5) and shape[-4] * shape[-3] == input_shape[0]
    return (is_volume and shape[-3] != input_shape[0]) or (input_shape[0] == 1 and len(shape) in (2, 3))


def in_unit_range(images: Any) -> Any:
    """Return images in [0, 1], of NumPy or JAX or traced: bytes divided by 255, others as they are."""
    return of_bytes(images) if images.dtype == np.uint8 else images


def of_bytes(images: Any) -> Any:
    """Return bytes, of NumPy or JAX or traced, divided by 255, to the same bits wherever that happens."""
    # By a table: XLA turns a division by a constant into a product with its reciprocal, which may differ by a last bit.
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    return jnp.asarray(levels)[images] if isinstance(images, jax.Array) else levels[images]


def scale_note(images: Any) -> tuple[tuple[str, str], ...]:
    """Return the note for a result's provenance that says how `check_images` scales these images; none if it does not.

    Values are left as they are but for bytes.
    """
    dtype = getattr(images, "dtype", None) or (np.asarray(images).dtype if isinstance(images, Sequence) else None)
    return (("images", "uint8, divided by 255"),) if dtype == np.uint8 else ()


def _on_default_device(images: jax.Array) -> jax.Array:
    """The images where programs expect them: they do not move where they lie there or nowhere in particular."""
    here = jax.local_devices()[0]
    return images if images.devices() == {here} else jax.device_put(images, here)
