"""Image files to float32 in [0, 1], and the check that arrays are what the model takes.

Greyscale, palette, RGBA, CMYK, 16-bit and EXIF-rotated files are converted where one right way exists;
everything else is refused in a sentence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Array, Float

from cnnviz_jax.errors import ImageError, UsageError
from cnnviz_jax.files import is_plain

if TYPE_CHECKING:
    from PIL import Image

Images = Array | np.ndarray | Sequence[Any]
"""What public functions take and `check_images` judges: images (n, h, w, c) in [0, 1], or one of them."""


class ImageTaker(Protocol):
    """What takes images: a `cv.Model`, or anything that says their size."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one image."""
        ...


def load_image(path: str | Path, model: ImageTaker, *, crop_share: float | None = None) -> Float[np.ndarray, "h w c"]:
    """Return one image file as the model takes it: (h, w, c) float32 in [0, 1].

    The image is turned as its EXIF data says, its short side is resized (bilinear, antialiased) and the
    centre is cropped to the model's input. For inputs of 128 pixels and more, the short side becomes 8/7 of
    the input (256 for 224), as published ImageNet numbers have it; smaller inputs are resized to fit exactly.
    Transparent images are put on white.

    Args:
        path: An image file.
        model: Says height, width and channels.
        crop_share: The crop's share of the resized short side, in place of that rule; 1 keeps all of it.

    Raises:
        ImageError: The file is missing or broken, its numbers have no one right scale (floating point), or the model
            takes neither 1 nor 3 channels.
        UsageError: The crop share is not above 0 and at most 1.
    """
    height, width, channels = model.input_shape
    return fit(open_image(path, channels), height, width, crop_share_for(model.input_shape, crop_share))


def crop_share_for(input_shape: tuple[int, int, int], asked: object) -> float:
    """Return which share of the resized short side the crop takes: the one asked for, or that of `load_image`'s rule.

    Raises:
        UsageError: The share is not above 0 and at most 1.
    """
    if asked is None:
        # torchvision's evaluation transform resizes the short side to 256 and crops 224 of it.
        return 224 / 256 if min(input_shape[:2]) >= 128 else 1.0
    if not isinstance(asked, int | float) or not 0 < asked <= 1:
        raise UsageError(f"crop_share is above 0 and at most 1, which keeps the whole short side; got {asked!r}")
    return float(asked)


def open_image(path: str | Path, channels: int) -> "Image.Image":
    """Return an image file decoded and upright: mode RGB for 3 channels, L for 1 (F, 0 to 255, from 16 bits).

    Raises:
        ImageError: See `load_image`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    if channels not in (1, 3):
        raise ImageError(f"{path.name}: image files have 1 or 3 channels, the model takes {channels}; pass arrays")
    if path.is_dir():
        raise ImageError(f"{path} is a folder; name image files")
    if not path.exists():
        raise ImageError(f"no image at {path}")
    if not is_plain(path):
        raise ImageError(f"{path} is no regular file")  # a named pipe would be waited for
    try:
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not an image that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} is broken or cut short: {error}") from error
    return _to_channels(image, path, channels)


def _to_channels(image: "Image.Image", path: Path, channels: int) -> "Image.Image":
    from PIL import Image

    if image.mode in ("I;16", "I;16B", "I;16L", "I", "I;16N"):
        # 16-bit greyscale: Pillow's own convert() clips to 8 bits; scale instead.
        grey = np.asarray(image).astype(np.float32)
        if grey.min() < 0 or grey.max() > 65535:
            raise ImageError(f"{path}: whole-number pixels outside 0..65535 have no one right scale; convert it first")
        scale = 257.0 if grey.max() > 255 or image.mode != "I" else 1.0
        bands = [Image.fromarray(grey / scale)]
        return bands[0] if channels == 1 else _merged(grey / scale)
    if image.mode == "F":
        raise ImageError(f"{path} holds floating-point pixels, which have no one right scale; pass an array in [0, 1]")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:
            white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
            rgba = Image.alpha_composite(white, rgba)
        image = rgba.convert("RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _merged(grey: Float[np.ndarray, "h w"]) -> "Image.Image":
    from PIL import Image

    return Image.merge("RGB", [Image.fromarray(np.round(grey).clip(0, 255).astype(np.uint8))] * 3)


def fit(image: "Image.Image", height: int, width: int, crop_share: float = 1.0) -> Float[np.ndarray, "h w c"]:
    """Return a decoded image resized to cover `height` x `width` over `crop_share`, centre-cropped, in [0, 1]."""
    from PIL import Image

    scale = max(height / image.height, width / image.width) / crop_share
    size = (max(width, int(image.width * scale + 1e-6)), max(height, int(image.height * scale + 1e-6)))
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    pixels = np.asarray(image.crop((left, top, left + width, top + height)), np.float32) / 255
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def image_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return one name per image: those given, or `image 0` and so on.

    Raises:
        ImageError: There are more or fewer names than images.
    """
    found = tuple(names) if names is not None else tuple(f"image {i}" for i in range(count))
    if len(found) != count:
        raise ImageError(f"{len(found)} names for {count} images; give one for each")
    return found


def check_images(images: Any, input_shape: tuple[int, int, int]) -> Float[np.ndarray, "n h w c"]:
    """Return images as float32 (n, h, w, c); one image gets a leading axis.

    Raises:
        ImageError: Wrong number of axes, size or channels, whole numbers in place of [0, 1], or NaN.
    """
    dtype = getattr(images, "dtype", None)
    array = np.asarray(images)
    if dtype is None and array.dtype.kind in "iu":
        array = array.astype(np.float32)
    if array.dtype.kind in "iub":
        raise ImageError(f"images are floats in [0, 1], got {array.dtype}; divide 8-bit images by 255")
    if array.dtype.kind != "f" and str(array.dtype) not in ("bfloat16",):
        raise ImageError(f"images are floats in [0, 1], got {array.dtype}")
    array = array.astype(np.float32)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[1:] != tuple(input_shape):
        raise ImageError(
            f"the model takes images of (height, width, channels) = {tuple(input_shape)}, got an array of shape "
            f"{np.shape(images)}; cv.load_image(file, model) makes them fit"
        )
    if len(array) == 0:
        raise ImageError("no images: the first axis is empty")
    if not np.isfinite(array).all():
        bad = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
        raise ImageError(f"image {bad} has values that are not finite")
    return array
