"""NumPy's `.npz` and `.npy` files as data: each array's size is compared with the file before it is read."""

import math
import zipfile
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from cnnviz_jax.files import check_plain
from cnnviz_jax.reading.bounds import MOST_ARRAYS, check_total, told

_KINDS = "biufcUS"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_SUFFIX = ".npy"
_PIECE_BYTES = 1 << 24


class NpzFile(Mapping[str, np.ndarray]):
    """The arrays of an `.npz` by name, each read when it is asked for; a context manager that closes the file.

    Whatever is wrong is a `ValueError` of one line, now or when an array is read; what the system refuses an `OSError`;
    an array that is not there a `KeyError`.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        with told():
            check_plain(path)
            self._archive = zipfile.ZipFile(path)
            try:
                self._members = _members(self._archive, path.stat().st_size)
            except BaseException:
                self._archive.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        with told(), self._archive.open(member) as file:
            return _read(file, member.file_size)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an array's shape, of which nothing but the header is read."""
        member = self._members[name]
        with told(), self._archive.open(member) as file:
            shape, _, dtype = _header(file)
            _check_length(shape, dtype, member.file_size)
            return shape


def read_npy(path: str | Path, *, in_memory: bool = True) -> np.ndarray:
    """Return the array of an `.npy` file.

    Args:
        path: The file.
        in_memory: Whether the numbers are read now; else pages of the file are, as they are used.

    Raises:
        OSError: The system refuses the file.
        ValueError: It is no array of numbers or texts, or is cut short.
    """
    path = Path(path)
    with told():
        check_plain(path)
        with open(path, "rb") as file:
            if in_memory:
                return _read(file, path.stat().st_size)
            shape, is_fortran, dtype = _header(file)
            if math.prod(shape) * dtype.itemsize > path.stat().st_size - file.tell():
                raise ValueError("its end is missing")
            start = file.tell()
        if 0 in shape:
            return np.zeros(shape, dtype)  # nothing to map
        return np.memmap(path, dtype, "r", start, shape, "F" if is_fortran else "C")


def _members(archive: zipfile.ZipFile, size_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members by the names of their arrays, refused where together they become too much."""
    members = archive.infolist()
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"a zip archive of {len(members):,} members")
    # The dictionary of an LZMA stream may take 4 GiB, whatever it unpacks to.
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError("a member of the zip archive is neither stored nor deflated")
    check_total(sum(member.file_size for member in members), size_bytes)
    return {member.filename.removesuffix(_SUFFIX): member for member in members if member.filename.endswith(_SUFFIX)}


def _read(file: IO[bytes] | BufferedIOBase, size_bytes: int) -> np.ndarray:
    """Read one array of a file of so many bytes, which are known not to be too many."""
    shape, is_fortran, dtype = _header(file)
    needed = _check_length(shape, dtype, size_bytes)
    array = np.empty(math.prod(shape), dtype)
    place = array.view(np.uint8).data if needed else memoryview(b"")
    for begin in range(0, needed, _PIECE_BYTES):  # so that the packed bytes lie in memory once, not as a whole beside
        piece = file.read(min(_PIECE_BYTES, needed - begin))
        if len(piece) < min(_PIECE_BYTES, needed - begin):
            raise ValueError("its end is missing")
        place[begin : begin + len(piece)] = piece
    return array.reshape(shape, order="F" if is_fortran else "C")


def _check_length(shape: tuple[int, ...], dtype: np.dtype[Any], size_bytes: int) -> int:
    """Return the bytes that an array needs; refuse one that needs more than its file has."""
    needed = math.prod(shape) * dtype.itemsize
    if needed > size_bytes:
        raise ValueError("its end is missing")
    return needed


def _header(file: IO[bytes] | BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an array in version {version} of NumPy's format, which only names of fields need")
    shape, is_fortran, dtype = _HEADERS[version](file)
    if dtype.kind not in _KINDS:
        raise ValueError(f"it is {str(dtype)[:80]}, no array of numbers or texts")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array of shape {str(shape)[:80]}")
    return shape, is_fortran, dtype
