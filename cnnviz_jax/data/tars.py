"""Images in tar files as WebDataset writes them: `key.jpg` beside `key.cls` or `key.json`, read where they lie.

Nothing is unpacked and nothing decompressed: the headers are read once, and then each image by its place.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.data.formats import IMAGE_SUFFIXES
from cnnviz_jax.data.images import crop_share_for, fit, image_in
from cnnviz_jax.data.source import Example
from cnnviz_jax.errors import CnnvizError, UsageError, printable
from cnnviz_jax.files import content_marks, is_plain, parse_json

_LARGEST_IMAGE = 1 << 28
_LARGEST_LABEL = 1 << 16
_MOST_FILES = 10_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class _Member:
    """An image and what tells its label: places in a tar file."""

    file: int
    key: str
    suffix: str
    image: tuple[int, int]
    """First byte and number of bytes."""
    label: tuple[str, int, int] | None = None
    """`cls` or `json`, first byte and number of bytes."""


@dataclass(frozen=True, kw_only=True)
class TarSource:
    """The images of one tar file, or of several in order."""

    files: tuple[Path, ...]
    members: tuple[_Member, ...]
    input_shape: tuple[int, int, int]
    crop_share: float
    full_digest: bool = False

    @classmethod
    def open(
        cls, word: str, input_shape: tuple[int, int, int], *, crop_share: float | None = None, full_digest: bool = False
    ) -> TarSource:
        """Return the source that a word names.

        Args:
            word: A `.tar`, or several as WebDataset writes them: `images-{000..009}.tar`.
            input_shape: Height, width, channels that the model takes.
            crop_share: See `cnnviz_jax.load_image`.
            full_digest: Whether the digest covers all bytes.

        Raises:
            UsageError: One is missing, damaged or compressed, holds no images, or what no data set needs: links,
                devices, paths that lead out of it.
        """
        if input_shape[2] not in (1, 3):
            raise UsageError(f"image files have 1 or 3 channels, the model takes {input_shape[2]}; use .npz or zarr")
        files = tuple(map(Path, expanded(word)))
        members = tuple(member for number, path in enumerate(files) for member in _members(number, path))
        if not members:
            raise UsageError(f"no images in {word}; {', '.join(IMAGE_SUFFIXES)} count")
        share = crop_share_for(input_shape, crop_share)
        return cls(files=files, members=members, input_shape=input_shape, crop_share=share, full_digest=full_digest)

    @cached_property
    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The label, where any image has one."""
        return {"label": ((), "int32")} if any(member.label for member in self.members) else {}

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Example:
        """Return an image decoded and fitted as `cnnviz_jax.load_image` does it."""
        member = self.members[index]
        height, width, channels = self.input_shape
        fields: dict[str, Any] = {"label": np.int32(-1)} if self.fields else {}
        try:
            with open(self.files[member.file], "rb") as file:
                if member.label is not None:
                    fields["label"] = np.int32(_label(member.label[0], _read(file, *member.label[1:])))
                data = _read(file, *member.image)
            image = image_in(data, self.name(index), channels, least_px=max(height, width))
            return Example(image=fit(image, height, width, self.crop_share), fields=fields)
        except (CnnvizError, OSError, MemoryError, ValueError, ZeroDivisionError, OverflowError) as error:
            return Example(image=None, error=printable(str(error), 300), fields=fields)

    def digest(self) -> str:
        """Return a hash of the files' names and contents, and of how images are fitted."""
        marks = content_marks(list(self.files), full=self.full_digest)
        lines = [f"tar crop {self.crop_share!r} {len(self)}"]
        lines += [f"{path.name}\0{mark}" for path, mark in zip(self.files, marks, strict=True)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def name(self, index: int) -> str:
        """Return the path inside the tar file."""
        return printable(f"{self.members[index].key}.{self.members[index].suffix}", 200)


def is_tar(word: str) -> bool:
    """Return whether a word names tar files."""
    return word.endswith(".tar")


def expanded(word: str) -> list[str]:
    """Return the files that `images-{000..009}.tar` stands for; a word without braces stands for itself.

    Raises:
        UsageError: The range runs backwards or is far too long.
    """
    found = _RANGE.search(word)
    if found is None:
        return [word]
    first, last, digits = int(found[1]), int(found[2]), len(found[1])
    if not 0 <= last - first < _MOST_FILES:
        raise UsageError(f"{word!r} stands for {last - first + 1} files; 1 to {_MOST_FILES} can be read")
    numbers = range(first, last + 1)
    return [f"{word[: found.start()]}{number:0{digits}d}{word[found.end() :]}" for number in numbers]


def _members(number: int, path: Path) -> list[_Member]:
    if not path.exists():
        raise UsageError(f"no tar file at {str(path)!r}")
    if not is_plain(path):
        raise UsageError(f"{path} is no file")
    images: dict[str, tuple[str, tuple[int, int]]] = {}
    labels: dict[str, tuple[str, int, int]] = {}
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:  # as it is: a compressed one has no places, and may be a bomb
            for member in archive:
                if member.isdir():
                    continue
                _check(member, path, size)
                folder, _, name = member.name.rpartition("/")
                base, _, suffix = name.partition(".")
                key, place = f"{folder}/{base}".lstrip("/"), (member.offset_data, member.size)
                if f".{suffix.lower()}" in IMAGE_SUFFIXES:
                    if key in images:
                        raise UsageError(f"{path} holds two images of the key {printable(key, 100)!r}")
                    images[key] = suffix, place
                elif suffix.lower() in ("cls", "json") and labels.get(key, ("json",))[0] != "cls":
                    labels[key] = suffix.lower(), *place
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be read as an uncompressed tar file: {printable(str(error), 200)}") from error
    return [_Member(number, key, suffix, place, labels.get(key)) for key, (suffix, place) in images.items()]


def _check(member: tarfile.TarInfo, path: Path, size: int) -> None:
    name = printable(member.name, 100)
    if not member.isreg() or member.issparse():
        raise UsageError(f"{path} holds {name!r}, which is a link, a device or sparse; a data set has plain files")
    if member.name.startswith("/") or ".." in Path(member.name).parts:
        raise UsageError(f"{path} holds {name!r}, whose path leads out of it; a data set has plain names")
    if member.offset_data + member.size > size:
        raise UsageError(f"{path} is cut short: {name!r} ends behind its end")
    if member.size > _LARGEST_IMAGE:
        raise UsageError(f"{path} holds {name!r} of {member.size:,} bytes, which is no image of a data set")


def _read(file: Any, place: int, size: int) -> bytes:
    data: bytes = os.pread(file.fileno(), size, place)
    if len(data) != size:
        raise ValueError("the tar file is cut short")
    return data


def _label(kind: str, data: bytes) -> int:
    if len(data) > _LARGEST_LABEL:
        raise ValueError(f"a label of {len(data):,} bytes")
    if kind == "cls":
        text = data.decode("ascii", "replace").strip()
        if not re.fullmatch(r"-?\d{1,9}", text):
            raise ValueError(f"a label {printable(text, 40)!r}, which is no whole number")
        return int(text)
    found = parse_json(data)
    label = next((found[name] for name in ("label", "cls") if name in found), -1) if isinstance(found, dict) else found
    if not isinstance(label, int) or isinstance(label, bool) or not -1 <= label < 10**9:
        raise ValueError(f"a label {printable(repr(label), 40)}, which is no whole number")
    return label
