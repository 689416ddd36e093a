"""Where pictures come from: a fixed list 0 to n - 1 that can be read at any place, in any order, by anyone.

A source never raises for a broken picture; it says so, and the sweep counts it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from cnnviz_jax.sweep.exits import SweepUsageError
from cnnviz_jax.sweep.importing import is_reference


@dataclass(frozen=True, kw_only=True)
class Example:
    """One picture as the model takes it, or the reason why there is none."""

    image: Float[np.ndarray, "h w c"] | None
    """Float32 in [0, 1]; `None` where it could not be read."""
    error: str | None = None
    """Why it could not be read."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What is known beside the picture, such as `label`, an int32, -1 where unknown."""


@runtime_checkable
class Source(Protocol):
    """A list of pictures with random access; must be picklable for `--workers`."""

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each field that every example has."""
        ...

    def __len__(self) -> int:
        """Return how many pictures there are."""
        ...

    def __getitem__(self, index: int) -> Example:
        """Return a picture; raises for no picture's sake."""
        ...

    def digest(self) -> str:
        """Return a text that changes when the list of pictures does."""
        ...

    def name(self, index: int) -> str:
        """Return what people call a picture, such as its path below the folder."""
        ...


def open_source(
    word: str, input_shape: tuple[int, int, int], *, labels: str | None = None, crop_share: float | None = None
) -> Source:
    """Return the source that a word names.

    Args:
        word: A folder of pictures, an `.npz` or `.zarr` with `images`, or `package.module:factory`.
        input_shape: Height, width, channels that the model takes.
        labels: `folders`, or a CSV file with a path and a label a line; for folders of pictures.
        crop_share: See `cnnviz_jax.load_image`; for folders of pictures.

    Raises:
        SweepUsageError: There is no such source, or its pictures do not fit the model.
    """
    path = Path(word)
    if is_reference(word) and not path.exists():
        from cnnviz_jax.sweep.factory import FactorySource

        _refuse_labels(labels, word)
        return FactorySource(word, input_shape)
    if not path.exists():
        raise SweepUsageError(
            f"no source {word!r}; name a folder of pictures, an .npz or .zarr file, or package.module:factory"
        )
    if path.suffix == ".npz":
        from cnnviz_jax.sweep.arrays import NpzSource

        _refuse_labels(labels, word)
        return NpzSource(path, input_shape)
    if path.is_dir() and any((path / mark).exists() for mark in ("zarr.json", ".zgroup", ".zarray")):
        from cnnviz_jax.sweep.arrays import ZarrSource

        _refuse_labels(labels, word)
        return ZarrSource(path, input_shape)
    if path.is_dir():
        from cnnviz_jax.sweep.folder import FolderSource

        return FolderSource.open(path, input_shape, labels=labels, crop_share=crop_share)
    raise SweepUsageError(f"the source {word!r} is a {path.suffix or 'plain'} file; .npz and .zarr can be read")


def _refuse_labels(labels: str | None, word: str) -> None:
    if labels is not None:
        raise SweepUsageError(f"labels {labels!r} are for folders of pictures; {word} brings its own field `label`")


def to_float(image: Any, input_shape: tuple[int, int, int]) -> Float[np.ndarray, "h w c"]:
    """Return an array as a picture: bytes are divided by 255, floats are taken as they are.

    Raises:
        ValueError: Another shape or kind of number.
    """
    array = np.asarray(image)
    if array.ndim == 2 and input_shape[2] == 1:
        array = array[:, :, None]
    if array.shape != tuple(input_shape):
        raise ValueError(f"a picture of shape {array.shape}; the model takes {tuple(input_shape)}")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype.kind != "f":
        raise ValueError(f"a picture of {array.dtype}; floats in [0, 1] or uint8 are taken")
    return array.astype(np.float32)
