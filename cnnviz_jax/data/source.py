"""Where images come from: a fixed list 0 to n - 1 that can be read at any place, in any order, by anyone.

A source never raises for a broken image; it says so, and the sweep counts it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from cnnviz_jax.data.held import Held, own_shape


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image as the model takes it, or the reason why there is none."""

    image: Float[np.ndarray, "h w c"] | UInt8[np.ndarray, "h w c"] | None
    """Float32 in [0, 1], or bytes where the source's `image_dtype` is `uint8`; `None` where it could not be read."""
    error: str | None = None
    """Why it could not be read."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What is known beside the image, such as `label`, an int32, -1 where unknown."""


@runtime_checkable
class Source(Protocol):
    """A list of images with random access; must be picklable for `--workers`.

    An attribute `image_dtype` of `"uint8"` says that all images are bytes, which are divided by 255 on the device;
    without it they are float32.
    """

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each field that every example has."""
        ...

    def __len__(self) -> int:
        """Return how many images there are."""
        ...

    def __getitem__(self, index: int) -> Example:
        """Return an image; raises for no image's sake."""
        ...

    def digest(self) -> str:
        """Return a text that changes when the list of images does."""
        ...

    def name(self, index: int) -> str:
        """Return what people call an image, such as its path below the folder."""
        ...


class Reopened(ABC):
    """A source that is pickled without what it holds open, which is opened anew where it is read from."""

    opened: ClassVar[tuple[str, ...]]
    """Names of the attributes that `_open` sets."""

    @abstractmethod
    def _open(self) -> None:
        """Open it."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()


def image_dtype(source: Source) -> str:
    """Return what a source's images are: `float32`, or `uint8` where it says so."""
    return str(getattr(source, "image_dtype", "float32"))


def dtype_kept(dtype: Any) -> str:
    """Return the dtype in which images of an array are handed on: bytes stay bytes, a quarter of what moves."""
    return "uint8" if dtype == np.uint8 else "float32"


def as_image(
    image: Any, input_shape: tuple[int, int, int], dtype: str, space: Held | None = None
) -> Float[np.ndarray, "h w c"] | UInt8[np.ndarray, "h w c"]:
    """Return an array as an image of a source whose images have that dtype; see `dtype_kept`.

    Args:
        image: Any array.
        input_shape: Height, width, channels that the model takes.
        dtype: Of all images of the source.
        space: How inputs that are no images are held as such: `image` may have their own axes.

    Raises:
        ValueError: Another shape or kind of number, or no bytes where the other images are.
    """
    if dtype != "uint8":
        return to_float(image, input_shape, space)
    array = _shaped(image, input_shape, space)
    if array.dtype != np.uint8:
        raise ValueError(f"an image of {array.dtype}; the first one was uint8")
    return array


def to_float(image: Any, input_shape: tuple[int, int, int], space: Held | None = None) -> Float[np.ndarray, "h w c"]:
    """Return an array as an image: bytes are divided by 255, floats are taken as they are; see `as_image`.

    Raises:
        ValueError: Another shape or kind of number.
    """
    array = _shaped(image, input_shape, space)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype.kind != "f":
        raise ValueError(f"an image of {array.dtype}; floats in [0, 1] or uint8 are taken")
    return array.astype(np.float32)


def _shaped(image: Any, input_shape: tuple[int, int, int], space: Held | None) -> np.ndarray:
    array = np.asarray(image)
    if space is not None and array.shape == tuple(space.shape):
        return array.reshape(space.image)
    if array.ndim == 2 and input_shape[2] == 1:
        array = array[:, :, None]
    if array.shape != tuple(input_shape):
        raise ValueError(f"an image of shape {array.shape}; the model takes {own_shape(input_shape, space)}")
    return array
