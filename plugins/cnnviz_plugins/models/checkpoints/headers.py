"""What a weights file says of its arrays before any number is read, and the bounds that hold for every format.

A file of a few hundred bytes may promise terabytes. So a reader lists the headers first and hands them to a `Choose`,
which answers with the names to read or raises; only then are numbers read, and only those. `load_network` and
`restore` choose by what the network needs; `everything` serves who has no network.
"""

import math
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_ARRAYS = 100_000
"""Arrays, and nodes on the way to them, in one file; the largest published networks have some thousands."""

LONGEST_NAME = 1_000
"""Characters of one array's name."""

_MOST_AXES = 32
_COMPRESSION = 64
_SLACK_BYTES = 64 << 20


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and element type of an array as the file has them, checked to be such."""

    shape: tuple[int, ...]
    """Its shape."""
    dtype: np.dtype[Any]
    """Its element type."""

    def __post_init__(self) -> None:
        if len(self.shape) > _MOST_AXES or not all(type(n) is int and 0 <= n < 1 << 48 for n in self.shape):
            raise ValueError(f"an array of shape {str(self.shape)[:80]}")

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of its numbers in memory."""
        return self.size * self.dtype.itemsize


Headers = Mapping[str, ArrayHeader]
"""The arrays of a file by name."""

Choose = Callable[[Headers], Iterable[str]]
"""Which arrays to read, by what the file says of all; it raises where they do not fit."""


def everything(path: Path) -> Choose:
    """Choose all arrays, refused where they would take far more memory than the file has bytes."""

    def choose(headers: Headers) -> Iterable[str]:
        check_total(sum(header.size_bytes for header in headers.values()), path)
        return headers

    return choose


def check_total(promised: int, path: Path) -> None:
    """Refuse what is more than compressed weights can become.

    Weights compress by a tenth, and pruned ones by ten or twenty; small files may hold initial zeros.

    Raises:
        ValueError: More than 64 times the file, and 64 MiB.
    """
    size = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    if promised > _COMPRESSION * size + _SLACK_BYTES:
        raise ValueError(f"its {size:,} bytes promise {promised:,} bytes of numbers")


def check_name(name: str) -> str:
    """Return an array's name, refused where it is longer than any network has.

    Raises:
        ValueError: It is too long.
    """
    if len(name) > LONGEST_NAME:
        raise ValueError(f"an array with a name of {len(name):,} characters")
    return name


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip archive whose members are packed in a way that no writer of weights uses, or become too much.

    Raises:
        ValueError: Too many members, a method other than stored and deflated, or more bytes than `check_total` allows.
    """
    members = archive.infolist()
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"a zip archive of {len(members):,} members")
    # The dictionary of an LZMA stream may take 4 GiB, whatever it unpacks to.
    if odd := [member for member in members if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]:
        raise ValueError(f"the member {odd[0].filename[:80]!r} of the zip archive is neither stored nor deflated")
    check_total(sum(member.file_size for member in members), path)
