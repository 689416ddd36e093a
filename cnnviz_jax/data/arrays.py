"""Images that lie in arrays: `images` (n, h, w, c) in an `.npz` or a zarr, with any further fields beside them.

Series (n, t, c), volumes (n, d, h, w, c) and vectors (n, k) are `images` too, where the model takes such.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.data.held import Held, own_shape
from cnnviz_jax.data.source import Example, Reopened, as_image, dtype_kept
from cnnviz_jax.errors import UsageError, raised_as, reason_of
from cnnviz_jax.files import content_marks, file_sha256
from cnnviz_jax.reading.numpy_files import NpzFile
from cnnviz_jax.reading.zarr_folders import ZarrFolder, ZarrNumbers

_KEPT_BLOCKS = 8


class NpzSource:
    """The array `images` of an `.npz`, with every other array of that length as a field; `labels` is `label`.

    `concept_names` names what the field `concepts` shows.
    """

    def __init__(self, path: Path, input_shape: tuple[int, int, int], *, space: Held | None = None) -> None:
        with _read_as(".npz", path), NpzFile(path) as archive:
            arrays = {_field_name(name): archive[name] for name in archive}
        self._images = _checked_images(arrays, path, input_shape, space)
        self.concept_names = tuple(map(str, arrays.pop("concept_names", ())))
        self._more = {n: a for n, a in arrays.items() if n != "images" and a.ndim and len(a) == len(self._images)}
        self._shape, self._space, self._digest = input_shape, space, file_sha256(path)
        self.image_dtype = dtype_kept(self._images.dtype)
        self.fields = {name: (array.shape[1:], _plain(array.dtype)) for name, array in self._more.items()}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Example:
        """Return an image and its fields."""
        fields = {name: np.asarray(a[index], self.fields[name][1]) for name, a in self._more.items()}
        image = as_image(self._images[index], self._shape, self.image_dtype, self._space)
        return Example(image=image, fields=fields)

    def digest(self) -> str:
        """Return the file's SHA-256."""
        return self._digest

    def name(self, index: int) -> str:
        """Return the number."""
        return f"image {index}"


def count_in_npz(path: Path) -> int:
    """Return how many images the array `images` of an `.npz` holds, from its header; 0 where it holds no number.

    Raises:
        UsageError: It cannot be read, or holds no such array.
    """
    with _read_as(".npz", path), NpzFile(path) as archive:
        _check_has_images(archive, path)
        shape = archive.shape("images")
    return shape[0] if shape and 0 not in shape else 0


def images_in_npz(path: Path, input_shape: tuple[int, int, int], space: Held | None = None) -> np.ndarray:
    """Return the array `images` of an `.npz`, whose images fit a model; of others than images with their own axes.

    Raises:
        UsageError: It cannot be read, or holds no such array, or the images do not fit.
    """
    with _read_as(".npz", path), NpzFile(path) as archive:
        _check_has_images(archive, path)
        arrays = {"images": archive["images"]}
    return np.asarray(_checked_images(arrays, path, input_shape, space))


def _read_as(kind: str, path: Path) -> AbstractContextManager[None]:
    """Say of which file it is where a block cannot read it."""
    return raised_as(lambda error: UsageError(f"{path} cannot be read as {kind}: {reason_of(error)}"), but=UsageError)


def _check_has_images(names: Collection[str], path: Path) -> None:
    if "images" not in names:
        raise UsageError(f"{path} holds no array `images`; it has {', '.join(sorted(names)) or 'none'}")


class ZarrSource(Reopened):
    """The array `images` of a zarr group (or a zarr array itself), read a chunk at a time."""

    opened = ("_arrays", "_blocks", "_guard")

    def __init__(
        self, path: Path, input_shape: tuple[int, int, int], *, full_digest: bool = False, space: Held | None = None
    ) -> None:
        self._path, self._shape, self._full, self._space = path, input_shape, full_digest, space
        self._arrays: dict[str, ZarrNumbers] = {}
        self._open()
        _checked_images(self._arrays, path, input_shape, space)
        self.image_dtype = dtype_kept(self._arrays["images"].dtype)
        count = self._arrays["images"].shape[0]
        self._arrays = {n: a for n, a in self._arrays.items() if n == "images" or (a.ndim and a.shape[0] == count)}
        self.fields = {n: (a.shape[1:], _plain(a.dtype)) for n, a in self._arrays.items() if n != "images"}

    def _open(self) -> None:
        with _read_as("zarr", self._path):
            found = ZarrFolder(self._path)
        self._arrays = {_field_name(name or "images"): array for name, array in found.items() if "/" not in name}
        self._blocks: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return int(self._arrays["images"].shape[0])

    def __getitem__(self, index: int) -> Example:
        """Return an image and its fields, or why its chunk cannot be read."""
        try:
            fields = {name: np.asarray(self._row(name, index), kind) for name, (_, kind) in self.fields.items()}
            image = as_image(self._row("images", index), self._shape, self.image_dtype, self._space)
            return Example(image=image, fields=fields)
        except (OSError, ValueError) as error:
            empty = {name: np.zeros(shape, kind) for name, (shape, kind) in self.fields.items()}
            return Example(image=None, error=reason_of(error), fields=empty)

    def _row(self, name: str, index: int) -> np.ndarray:
        array = self._arrays[name]
        rows = array.rows
        key = (name, index // rows)
        with self._guard:
            if key not in self._blocks:
                self._blocks[key] = array[key[1] * rows : (key[1] + 1) * rows]
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
            block = self._blocks[key]
        return np.asarray(block[index - key[1] * rows])

    def digest(self) -> str:
        """Return a hash of names, sizes, first and last bytes, or of all bytes, of all its files."""
        files = sorted(path for path in self._path.rglob("*") if path.is_file())
        marks = content_marks(files, full=self._full)
        lines = [f"{path.relative_to(self._path).as_posix()}\0{mark}" for path, mark in zip(files, marks, strict=True)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the number."""
        return f"image {index}"


def _field_name(name: str) -> str:
    return "label" if name == "labels" else name


def _plain(dtype: np.dtype) -> str:
    """Return the dtype that a field has on the device: 32 bits at most."""
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return str(dtype) if dtype.itemsize < 4 else ("int32" if dtype.kind == "i" else "uint32")
    return "float32"


def _checked_images(arrays: dict[str, Any], path: Path, input_shape: tuple[int, int, int], space: Held | None) -> Any:
    _check_has_images(arrays, path)
    images, own = arrays["images"], own_shape(input_shape, space)
    shape = tuple(images.shape)
    grey = images.ndim == 3 and input_shape[2] == 1 and shape[1:] == input_shape[:2]
    if not images.ndim or not (grey or shape[1:] in (own, tuple(input_shape))):
        what = "images" if space is None else space.words
        raise UsageError(f"{path}: images have shape {shape}; the model takes {what} (n, *{own})")
    if images.dtype.kind != "f" and images.dtype != np.uint8:
        raise UsageError(f"{path}: images are {images.dtype}; floats in [0, 1] or uint8 are taken")
    if not images.shape[0]:
        raise UsageError(f"{path}: no images, the first axis is empty")
    return images
