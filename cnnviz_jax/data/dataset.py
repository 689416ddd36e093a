"""A data set of images: arrays, a folder or an archive behind one class, with labels and names beside them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from cnnviz_jax.data.folder import with_class_names
from cnnviz_jax.data.given import OTHER_AXES, in_unit_range, is_of_other_axes
from cnnviz_jax.data.held import Held
from cnnviz_jax.data.opening import open_source
from cnnviz_jax.data.source import Example, dtype_kept, image_dtype
from cnnviz_jax.errors import ImageError, UsageError

_THREADS = 2


@dataclass(frozen=True, eq=False)
class _ArraySource:
    """Images in memory as a source; values that are not finite stay, reducers leave them out and count them."""

    images: Float[np.ndarray, "n h w c"] | UInt8[np.ndarray, "n h w c"]
    names: tuple[str, ...] | None
    rows: Mapping[str, np.ndarray]
    """The fields of all images, labels among them, one row per image."""

    @property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        return {name: (array.shape[1:], str(array.dtype)) for name, array in self.rows.items()}

    @property
    def image_dtype(self) -> str:
        return str(self.images.dtype)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        return Example(image=self.images[index], fields={name: array[index] for name, array in self.rows.items()})

    def digest(self) -> str:
        return f"{len(self.images)} images in memory"

    def name(self, index: int) -> str:
        return self.names[index] if self.names is not None else f"image {index}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images 0 to n - 1, read at any place."""

    source: Any
    """Where the images come from: a `cnnviz_jax.data.source.Source`."""
    class_names: tuple[str, ...] = ()
    """Names of the labels, where there are labels."""
    space: Held | None = None
    """How inputs that are no images are held as such; the source may give them with their own axes."""

    @classmethod
    def of(
        cls,
        images: Any,
        input_shape: tuple[int, int, int],
        *,
        labels: Any = None,
        names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        fields: Mapping[str, Any] | None = None,
        space: Held | None = None,
    ) -> "Dataset":
        """Return the data set that a user means by `images` and `labels`.

        Args:
            images: Images (n, h, w, c) in [0, 1], or bytes (uint8), which are divided by 255 where they are used; a
                folder, an `.npz` or `.zarr`; or a source with `__getitem__`.
            input_shape: Height, width, channels that the model takes.
            labels: One class index per image, -1 where unknown; for a folder also `"folders"` or a CSV file.
            names: One name per image, for arrays.
            class_names: Names of the classes, where labels are numbers.
            fields: Further arrays by name, one row per image, where `images` is an array; a source has its own.
            space: How inputs that are no images are held as such: `images` may have their own axes.

        Raises:
            ImageError: The images do not fit the model.
            UsageError: The labels, names or fields do not fit the images, or there is no such folder.
        """
        known = tuple(class_names or ())
        if fields and (isinstance(images, str | Path) or hasattr(images, "digest")):
            raise UsageError("fields stand beside an array of images; an .npz or a source brings its own")
        if isinstance(images, str | Path):
            if labels is not None and not isinstance(labels, str | Path):
                raise UsageError(f'labels of {str(images)!r} are "folders" or a CSV file, got {type(labels).__name__}')
            source = open_source(str(images), input_shape, labels=None if labels is None else str(labels), space=space)
            source, named = _named(source, known)
            return cls(source=source, class_names=named, space=space)
        if hasattr(images, "digest") and hasattr(images, "fields"):
            source, named = _named(images, known)
            return cls(source=source, class_names=named, space=space)
        array = _array_of(images, input_shape, space)
        numbers = None
        if labels is not None:
            numbers = np.asarray(labels)
            if numbers.shape != array.shape[:1] or numbers.dtype.kind not in "iu":
                raise UsageError(
                    f"labels are one whole number per image, {len(array)} of them, got {numbers.dtype} {numbers.shape}"
                )
            numbers = numbers.astype(np.int32)
            if not (numbers >= 0).any():
                raise UsageError("no label is 0 or more; leave labels out where none is known")
            classes = int(numbers.max()) + 1
            known = known if len(known) >= classes else tuple(f"class {i}" for i in range(classes))
        if names is not None and len(names) != len(array):
            raise UsageError(f"{len(names)} names for {len(array)} images; give one for each")
        more = {name: np.asarray(rows) for name, rows in (fields or {}).items()}
        for name, rows in more.items():
            if rows.ndim == 0 or len(rows) != len(array):
                raise UsageError(f"the field {name!r} has shape {rows.shape}; {len(array)} images need as many rows")
        more = more if numbers is None else {"label": numbers, **more}
        arrays = _ArraySource(array.astype(dtype_kept(array.dtype)), None if names is None else tuple(names), more)
        return cls(source=arrays, class_names=known if numbers is not None else (), space=space)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def is_labelled(self) -> bool:
        """Whether images have labels."""
        return "label" in self.source.fields

    def label(self, index: int) -> int:
        """Return the class index of an image, -1 where unknown."""
        return int(self.source[index].fields["label"]) if self.is_labelled else -1

    @property
    def image_dtype(self) -> np.dtype:
        """What the images of batches are: float32 in [0, 1], or bytes."""
        return np.dtype(image_dtype(self.source))

    def image(self, index: int) -> Float[np.ndarray, "h w c"]:
        """Return an image in [0, 1].

        Raises:
            ImageError: It cannot be read.
        """
        example = self.source[index]
        if example.image is None:
            raise ImageError(f"{self.source.name(index)} cannot be read: {example.error}")
        return in_unit_range(self._held(example.image))

    def _held(self, image: np.ndarray) -> np.ndarray:
        """An image as the model holds it."""
        held: np.ndarray = image if self.space is None else self.space.held(image[None])[0]
        return held

    def described(self, names: Sequence[str]) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape and dtype of these fields of one image, and of `label`, which every batch has.

        Raises:
            UsageError: The images come without such a field.
        """
        has = {"label": ((), "int32"), **self.source.fields}
        for name in names:
            if name not in has:
                raise UsageError(f"these images come without {name!r}; they have {', '.join(sorted(has))}")
        return {name: has[name] for name in dict.fromkeys(("label", *names))}

    def batches(
        self, size: int, shape: tuple[int, int, int], fields: Sequence[str] = ("label",)
    ) -> Iterator["ImageBatch"]:
        """Yield all images in order, `size` at a time, the last padded; the next is read while one is used."""
        kinds = self.described(fields)
        with ThreadPoolExecutor(_THREADS) as pool:
            ahead = [pool.submit(self.source.__getitem__, i) for i in range(min(size, len(self)))]
            for first in range(0, len(self), size):
                current = ahead
                begin = first + size
                ahead = [pool.submit(self.source.__getitem__, i) for i in range(begin, min(begin + size, len(self)))]
                yield self._batch(first, size, shape, kinds, [future.result() for future in current])

    def _batch(
        self, first: int, size: int, shape: tuple[int, int, int], kinds: Mapping[str, Any], examples: list[Example]
    ) -> "ImageBatch":
        images, valid = np.zeros((size, *shape), self.image_dtype), np.zeros(size, bool)
        fields = {name: np.zeros((size, *each), kind) for name, (each, kind) in kinds.items()}
        fields["label"][:] = -1
        unreadable = {}
        for row, example in enumerate(examples):
            if example.image is None:
                unreadable[first + row] = f"{self.source.name(first + row)}: {example.error}"
                continue
            images[row], valid[row] = self._held(example.image), True
            for name in fields.keys() & example.fields.keys():
                fields[name][row] = example.fields[name]
        ids = np.arange(first, first + size, dtype=np.uint32)
        return ImageBatch(ids=ids, images=images, valid=valid, fields=fields, unreadable=unreadable)


@dataclass(frozen=True, kw_only=True)
class ImageBatch:
    """Some images of a data set, padded to one size."""

    ids: np.ndarray
    """Number of each row, uint32."""
    images: Float[np.ndarray, "b h w c"] | UInt8[np.ndarray, "b h w c"]
    """In the data set's `image_dtype`."""
    valid: Bool[np.ndarray, " b"]
    """False for padding and for images that could not be read."""
    fields: dict[str, np.ndarray]
    """What is known beside the images: `label`, -1 where unknown, and the fields that were asked for."""
    unreadable: dict[int, str]
    """Why images could not be read, by number."""


def _array_of(images: Any, input_shape: tuple[int, int, int], space: Held | None) -> np.ndarray:
    """Return images of an array as the model holds them, floats or bytes."""
    array = np.asarray(images)
    if space is not None:
        array = array[None] if array.shape == tuple(space.shape) else array
        array = space.held(array) if array.shape[1:] == tuple(space.shape) else array
    array = array[None] if array.ndim == 3 else array
    known_kind = array.dtype.kind == "f" or array.dtype == np.uint8
    if known_kind and array.ndim == 4 and array.shape[1:] == tuple(input_shape) and len(array):
        return array
    found = f"got {np.asarray(images).dtype} {np.shape(images)}"
    if space is not None:
        raise ImageError(
            f"the model takes {space.words} of shape {tuple(space.shape)}; a survey takes several, (n, *shape), of "
            f"floats or bytes (uint8), {found}"
        )
    other = f", {OTHER_AXES}" if is_of_other_axes(np.shape(images), input_shape) else ""
    raise ImageError(
        "a survey takes images (n, h, w, c) of floats in [0, 1] or bytes (uint8) with (h, w, c) = "
        f"{tuple(input_shape)}, {found}{other}"
    )


def _named(source: Any, known: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """Return a source, its labels a model's class indices where names tell them, and what the classes are called."""
    if "label" not in source.fields:
        return source, ()
    source = with_class_names(source, known)
    return source, tuple(getattr(source, "classes", ())) or known
