"""Image files to float32 in [0, 1].

Greyscale, palette, RGBA, CMYK, 16-bit and EXIF-rotated files are converted where one right way exists;
everything else is refused in a sentence.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Float

from cnnviz_jax.data.formats import IMAGE_SUFFIXES
from cnnviz_jax.errors import ImageError, UsageError, reason_of
from cnnviz_jax.files import is_plain

if TYPE_CHECKING:
    from PIL import Image


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
    share = crop_share_for(model.input_shape, crop_share)
    return fit(open_image(path, channels, least_px=max(height, width)), height, width, share)


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


def open_image(path: str | Path, channels: int, *, least_px: int | None = None) -> "Image.Image":
    """Return an image file decoded and upright: mode RGB for 3 channels, L for 1 (F, 0 to 255, from 16 bits).

    Cost: one copy of the decoded pixels; two where they are converted (transparent, 16-bit, palette and turned images).

    Args:
        path: An image file, of the formats whose suffixes count as images.
        channels: 1 or 3.
        least_px: What the image is needed for has this many pixels: one that is too large to be decoded whole, in a
            format that can be decoded smaller, keeps at least eight times as many along its short side.

    Raises:
        ImageError: See `load_image`.
    """
    path = Path(path)
    _check_channels(path.name, channels)
    if path.is_dir():
        raise ImageError(f"{path} is a folder; name image files")
    if not path.exists():
        raise ImageError(f"no image at {path}")
    if not is_plain(path):
        raise ImageError(f"{path} is no file that holds an image, but a pipe or a device")
    return _decoded(path, path, channels, least_px)


def image_in(data: bytes, title: str, channels: int, *, least_px: int | None = None) -> "Image.Image":
    """Return what the bytes of an image file hold, decoded and upright; see `open_image`.

    Args:
        data: The whole file.
        title: What to call it in errors.
        channels: 1 or 3.
        least_px: As for `open_image`.

    Raises:
        ImageError: See `load_image`.
    """
    _check_channels(title, channels)
    return _decoded(io.BytesIO(data), Path(title), channels, least_px)


def _check_channels(title: str, channels: int) -> None:
    if channels not in (1, 3):
        raise ImageError(
            f"{title}: image files have 1 or 3 channels, the model takes {channels}; pass arrays, or "
            "an .npz with the array `images`"
        )


def _decoded(file: Path | io.BytesIO, path: Path, channels: int, least_px: int | None) -> "Image.Image":
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file, formats=_formats()) as opened:
            if least_px is not None and opened.width * opened.height > (Image.MAX_IMAGE_PIXELS or _LARGE):
                _decode_smaller(opened, 8 * least_px)
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
            return to_channels(opened, path, channels)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is not an image in a format that is read here: {', '.join(IMAGE_SUFFIXES)}"
        ) from error
    except Exception as error:  # readers of damaged bytes raise whatever their insides do
        cause = error.strerror if isinstance(error, OSError) and error.strerror else reason_of(error)
        raise ImageError(f"{path} is broken or cut short: {cause}") from error


def check_image_size(path: Path, size: Sequence[int], *, most_pixels: int) -> None:
    """Refuse an image file that is not of the width and height that it should have, before it is decoded.

    Raises:
        ImageError: It is of another size, of more pixels than so many, or cannot be read.
    """
    from PIL import Image

    if not is_plain(path):
        raise ImageError(f"{path} is missing, or no file that holds an image")
    try:
        with Image.open(path, formats=_formats()) as opened:
            found = opened.size
    except Exception as error:  # readers of damaged bytes raise whatever their insides do
        raise ImageError(f"{path} is broken or cut short: {reason_of(error)}") from error
    if list(found) != list(size) or found[0] * found[1] > most_pixels:
        raise ImageError(f"{path} has {found[0]} x {found[1]} pixels, and should not")


def _formats() -> list[str]:
    """Return the names under which Pillow knows the formats of `IMAGE_SUFFIXES`; import its readers.

    Nothing else is tried, whatever a file holds: Pillow hands EPS to Ghostscript, a program that runs what the file
    says, and readers of rare formats are where the faults are.
    """
    from PIL import Image

    Image.init()
    registered = Image.registered_extensions()
    return sorted({registered[suffix] for suffix in IMAGE_SUFFIXES if suffix in registered})


_LARGE = 1 << 26


def _decode_smaller(image: "Image.Image", least_px: int) -> None:
    """Let a JPEG be decoded at a half, quarter or eighth, so long as its short side keeps `least_px`.

    Not done for images of usual size: their numbers would no longer be those of a full decoding.
    """
    share = least_px / min(image.size)
    image.draft(None, (round(image.width * share), round(image.height * share)))


def to_channels(image: "Image.Image", path: Path | str, channels: int) -> "Image.Image":
    """Return a decoded image in as many channels as a model takes: L or F for 1, RGB for 3.

    Raises:
        ImageError: Its numbers have no one right scale.
    """
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "I;16N"):
        # 16-bit greyscale: Pillow's own convert() clips to 8 bits; scale instead.
        numbers = np.asarray(image)
        low, top = numbers.min(), numbers.max()
        if low < 0 or top > 65535:
            raise ImageError(f"{path}: whole-number pixels outside 0..65535 have no one right scale; convert it first")
        scale = np.float32(257.0 if top > 255 or image.mode != "I" else 1.0)
        return _in_bands(image, lambda band: _from_16_bits(band, scale, channels))
    if image.mode == "F":
        raise ImageError(f"{path} holds floating-point pixels, which have no one right scale; pass an array in [0, 1]")
    mode = "L" if channels == 1 else "RGB"
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _in_bands(image, lambda band: _on_white(band).convert(mode))
    return image if image.mode == mode else _in_bands(image, lambda band: band.convert(mode))


_BAND_PIXELS = 1 << 22


def _in_bands(image: "Image.Image", convert: "Callable[[Image.Image], Image.Image]") -> "Image.Image":
    """Return an image converted pixel by pixel, a large one in bands: on the way there are copies of several sizes."""
    from PIL import Image

    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        return convert(image)
    whole = None
    for top in range(0, image.height, rows):
        band = convert(image.crop((0, top, image.width, min(top + rows, image.height))))
        if whole is None:
            whole = Image.new(band.mode, image.size)
        whole.paste(band, (0, top))
    return whole or convert(image)


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    rgba = image.convert("RGBA")
    if np.asarray(rgba.getchannel("A")).min() < 255:
        rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    return rgba.convert("RGB")


def _from_16_bits(image: "Image.Image", scale: np.float32, channels: int) -> "Image.Image":
    from PIL import Image

    grey = np.asarray(image).astype(np.float32) / scale
    return Image.fromarray(grey) if channels == 1 else _merged(grey)


def _merged(grey: Float[np.ndarray, "h w"]) -> "Image.Image":
    from PIL import Image

    return Image.merge("RGB", [Image.fromarray(np.round(grey).clip(0, 255).astype(np.uint8))] * 3)


def fit(image: "Image.Image", height: int, width: int, crop_share: float = 1.0) -> Float[np.ndarray, "h w c"]:
    """Return a decoded image resized to cover `height` x `width` over `crop_share`, centre-cropped, in [0, 1].

    Cost: a few times the output in memory, whatever the image's shape.
    """
    from PIL import Image

    scale = max(height / image.height, width / image.width) / crop_share
    size = (max(width, int(image.width * scale + 1e-6)), max(height, int(image.height * scale + 1e-6)))
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    box = (left, top, left + width, top + height)
    if size == image.size:
        image = image.crop(box)
    elif size[0] * size[1] <= _MOST_RESIZED * height * width:
        # Resizing first, to the last bit as torchvision's evaluation transform does it.
        image = image.resize(size, Image.Resampling.BILINEAR).crop(box)
    else:
        # An image of 1 x 30,000 pixels would be resized to 256 x 7,680,000 first. Only what the crop shows is; that is
        # the same but for rounding: some numbers differ by one level of 255.
        x, y = image.width / size[0], image.height / size[1]
        shown = (box[0] * x, box[1] * y, min(box[2] * x, image.width), min(box[3] * y, image.height))
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=shown)
    pixels = np.asarray(image, np.float32) / 255
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


_MOST_RESIZED = 8
"""Pixels that are resized in vain for one that is kept; an image six times as long as wide has no more."""
