"""Any source that the user's own function returns, Grain's random-access sources among them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz_jax.data.held import Held
from cnnviz_jax.data.source import Example, Reopened, as_image, dtype_kept, to_float
from cnnviz_jax.errors import UsageError
from cnnviz_jax.plugins.references import import_factory

_SAMPLED = 16


class FactorySource(Reopened):
    """What `package.module:factory` returns: `len()`, and `[i]` to an array or a dict with `image`.

    Other entries of the dict, such as `label` and `mask`, become fields; the first image says which, and whether images
    are bytes: then all must be. The digest
    is that of the source itself if it has a method `digest`; otherwise it covers the length, the source's repr and
    the pixels of some images spread over the list, or of all of them.
    """

    opened = ("_inner",)

    def __init__(
        self, word: str, input_shape: tuple[int, int, int], *, full_digest: bool = False, space: Held | None = None
    ) -> None:
        self._word, self._shape, self._full, self._space = word, input_shape, full_digest, space
        self._open()
        if not len(self):
            raise UsageError(f"the source {word!r} has no images")
        first = self._entry(0)
        self.image_dtype = dtype_kept(np.asarray(_image_of(first)).dtype)
        self.fields = {
            name: (np.shape(value), _kind(value, name, word))
            for name, value in (first.items() if isinstance(first, Mapping) else ())
            if name not in ("image", "name", "id")
        }

    def _open(self) -> None:
        self._inner = import_factory(self._word, "source")()
        if not (hasattr(self._inner, "__len__") and hasattr(self._inner, "__getitem__")):
            raise UsageError(f"{self._word} returned a {type(self._inner).__name__}; a source has len() and [i]")

    def _entry(self, index: int) -> Any:
        try:
            entry = self._inner[index]
            if _image_of(entry) is None:
                raise ValueError("a dict without `image`")
            to_float(_image_of(entry), self._shape, self._space)
        except Exception as error:
            raise UsageError(f"the source {self._word!r} gives no image {index}: {error}") from error
        return entry

    @property
    def concept_names(self) -> tuple[str, ...]:
        """Names of what its field `concepts` shows, where the source tells them."""
        return tuple(map(str, getattr(self._inner, "concept_names", ())))

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> Example:
        """Return an image and its fields, or what the source raised."""
        try:
            entry = self._inner[index]
            fields = {name: np.asarray(entry[name], kind) for name, (_, kind) in self.fields.items()}
            image = as_image(_image_of(entry), self._shape, self.image_dtype, self._space)
            return Example(image=image, fields=fields)
        except Exception as error:
            empty = {name: np.zeros(shape, kind) for name, (shape, kind) in self.fields.items()}
            return Example(image=None, error=f"{type(error).__name__}: {error}", fields=empty)

    def digest(self) -> str:
        """Return a text that changes when the source does; see the class."""
        if callable(getattr(self._inner, "digest", None)):
            return str(self._inner.digest())
        told = repr(self._inner)
        text = f"{self._word}\0{len(self)}\0{'' if ' at 0x' in told else told}"
        hashed = hashlib.sha256(text.encode())
        sampled = np.unique(np.linspace(0, len(self) - 1, _SAMPLED).astype(int))
        for index in range(len(self)) if self._full else sampled:
            example = self[int(index)]
            hashed.update(b"-" if example.image is None else np.ascontiguousarray(example.image).tobytes())
        return hashed.hexdigest()

    def name(self, index: int) -> str:
        """Return the source's own name for the image, or its number."""
        own = getattr(self._inner, "name", None)
        return str(own(index)) if callable(own) else f"image {index}"


def _image_of(entry: Any) -> Any:
    return entry.get("image") if isinstance(entry, Mapping) else entry


def _kind(value: Any, name: str, word: str) -> str:
    dtype = np.asarray(value).dtype
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return str(dtype) if dtype.itemsize < 4 else "int32"
    if dtype.kind == "f":
        return "float32"
    raise UsageError(f"the source {word!r} has a field {name!r} of {dtype}; numbers are taken")
