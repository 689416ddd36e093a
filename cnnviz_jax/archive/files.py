"""Where stored results lie: one `.npz` file, or a `.zarr` folder where zarr is installed."""

import contextlib
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.archive.encoding import STRUCTURE
from cnnviz_jax.errors import ResultFileError, UsageError, printable, reason_of
from cnnviz_jax.extras import require
from cnnviz_jax.files import whole
from cnnviz_jax.reading.bounds import most_bytes
from cnnviz_jax.reading.numpy_files import NpzFile
from cnnviz_jax.reading.zarr_folders import ZarrFolder

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold: equal results give equal bytes
_ATTRIBUTE = f"cnnviz_{STRUCTURE}"


def suffix_of(path: Path) -> str:
    """Return `.npz` or `.zarr`.

    Raises:
        UsageError: The path ends otherwise.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".zarr"):
        raise UsageError(f"results are stored as .npz or .zarr, got {str(path)!r}; figures are written by cv.render")
    return suffix


def write_npz(path: Path, structure: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays and the structure to one file, which is whole or absent."""
    with whole(path) as temporary:
        write_entries(temporary, {**arrays, STRUCTURE: np.array(structure)})


def write_entries(path: Path, entries: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an `.npz` that depends on nothing but them."""
    _write_members(path, entries, zipfile.ZIP_DEFLATED)
    if sum(np.asanyarray(array).nbytes for array in entries.values()) > most_bytes(path.stat().st_size) // 2:
        # Zeros by the hundred megabytes: whoever reads the file could not tell it from one that is to fill the memory.
        _write_members(path, entries, zipfile.ZIP_STORED)


def _write_members(path: Path, entries: Mapping[str, np.ndarray], method: int) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in entries.items():
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


@contextlib.contextmanager
def read_npz(path: Path) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    """Yield the structure and the arrays of a file.

    Raises:
        ResultFileError: It is missing, broken, or holds no stored result.
    """
    try:
        with NpzFile(path) as archive:
            if STRUCTURE not in archive:
                raise ResultFileError(f"{path} holds arrays but no result of cnnviz_jax; cv.save writes such files")
            yield str(archive[STRUCTURE]), archive
    except FileNotFoundError as error:
        raise ResultFileError(f"no file {path}") from error
    except OSError as error:
        raise ResultFileError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    except ValueError as error:
        if isinstance(error, ResultFileError):
            raise
        raise ResultFileError(f"{path} is not a whole .npz file: {reason_of(error)}") from error


def write_zarr(path: Path, structure: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a folder, which appears under its name only when it is whole; one that this wrote before is replaced.

    Raises:
        UsageError: zarr is not installed, or something else stands at `path`.
    """
    zarr = require("zarr", what="a .zarr folder")
    if path.exists() and not (path.is_dir() and _is_ours(path)):
        raise UsageError(f"{path} is there and is no stored result; name another folder")
    temporary = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write_group(temporary, structure, arrays)
        size = sum(file.stat().st_size for file in temporary.rglob("*") if file.is_file())
        if sum(array.nbytes for array in arrays.values()) > most_bytes(size) // 2:
            with zarr.config.set({"array.write_empty_chunks": True}):  # as in `write_entries`
                _write_group(temporary, structure, arrays, compressors=None)
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_group(path: Path, structure: str, arrays: Mapping[str, np.ndarray], **packing: Any) -> None:
    group = require("zarr").open_group(path, mode="w")
    for name, array in arrays.items():
        group.create_array(name, data=array if array.dtype.kind != "U" else array.astype(str), **packing)
    group.attrs[_ATTRIBUTE] = structure


def read_zarr(path: Path) -> tuple[str, Mapping[str, np.ndarray]]:
    """Return the structure and the arrays of a folder.

    Raises:
        UsageError: zarr is not installed.
        ResultFileError: It is missing or holds no stored result.
    """
    require("zarr", what="a .zarr folder")
    if not os.path.isdir(path):  # not `Path.is_dir`, which raises for names that no file can have
        raise ResultFileError(f"no folder {printable(str(path))}")
    try:
        folder = ZarrFolder(path)
        if _ATTRIBUTE not in folder.attributes:
            raise ResultFileError(f"{path} holds no result of cnnviz_jax; cv.save writes such folders")
    except (OSError, ValueError) as error:
        if isinstance(error, ResultFileError):
            raise
        raise ResultFileError(f"{path} holds no result of cnnviz_jax that can be read: {reason_of(error)}") from error
    return str(folder.attributes[_ATTRIBUTE]), _Arrays(folder)


class _Arrays(Mapping[str, np.ndarray]):
    """The arrays of a folder, each read when it is asked for."""

    def __init__(self, folder: ZarrFolder) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> np.ndarray:
        return self._folder[name][:]

    def __iter__(self) -> Iterator[str]:
        return iter(self._folder)

    def __len__(self) -> int:
        return len(self._folder)


def _is_ours(path: Path) -> bool:
    try:
        return _ATTRIBUTE in ZarrFolder(path).attributes
    except (OSError, ValueError):
        return False
