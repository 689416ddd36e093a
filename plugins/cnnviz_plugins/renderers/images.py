"""Arrays to pixels and PNG bytes: images of any channel count, palette maps, and grids with margins."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cnnviz_plugins.renderers.colormaps import indices, palette
from cnnviz_plugins.renderers.display import finite


def rgb(image: Float[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image in [0, 1] as bytes: three channels as colour, any other number as their mean in grey."""
    image = np.clip(finite(image), 0, 1)
    if image.shape[-1] != 3:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    return np.round(image * 255).astype(np.uint8)


def channel_note(channels: int) -> str:
    """Return how an image of so many channels is shown, or an empty text where that goes without saying."""
    return "" if channels in (1, 3) else f"mean of {channels} channels shown"


def grey(image: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w"]:
    """Return the luminance (BT.601) of a colour image, the mean of any other, in [0, 1]."""
    image = np.clip(finite(image), 0, 1)
    return image @ np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else image.mean(-1)


def painted(levels: Float[np.ndarray, "h w"], colormap: str) -> UInt8[np.ndarray, "h w 3"]:
    """Return levels in [0, 1] in the colours of a map."""
    pixels: np.ndarray = palette(colormap)[indices(levels)]
    return pixels


def atlas(
    tiles: Sequence[UInt8[np.ndarray, "h w 3"]], columns: int, *, margin: int, background: int = 255
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Return equal tiles as one image, row by row, with `margin` pixels between and around them."""
    height, width = tiles[0].shape[:2]
    rows = math.ceil(len(tiles) / columns)
    sheet = np.full((rows * (height + margin) + margin, columns * (width + margin) + margin, 3), background, np.uint8)
    for k, tile in enumerate(tiles):
        top, left = margin + k // columns * (height + margin), margin + k % columns * (width + margin)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def png(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Return a colour image as PNG; with at most 256 colours it gets a palette, which is smaller and exact."""
    image = Image.fromarray(pixels)
    counted = image.getcolors(256)
    if counted:
        colours = np.array(sorted(colour for _, colour in counted), np.uint8)
        codes = pixels.astype(np.int32) @ np.array([65536, 256, 1])
        known = colours.astype(np.int32) @ np.array([65536, 256, 1])  # sorted, since the colours are
        return indexed_png(np.searchsorted(known, codes).astype(np.uint8), colours)
    return _encoded(image)


def indexed_png(codes: UInt8[np.ndarray, "h w"], colours: UInt8[np.ndarray, "k 3"]) -> bytes:
    """Return a palette PNG."""
    image = Image.fromarray(codes, mode="L")
    image.putpalette(colours.tobytes(), "RGB")
    return _encoded(image)


def heat_png(levels: Float[np.ndarray, "h w"], colormap: str) -> bytes:
    """Return levels in [0, 1] as a palette PNG in the colours of a map."""
    return indexed_png(indices(levels), palette(colormap))


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(png_bytes: bytes) -> str:
    """Return PNG bytes as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png_bytes).decode("ascii")
