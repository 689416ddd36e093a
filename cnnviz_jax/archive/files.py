"""Where stored results lie: one `.npz` file, or a `.zarr` folder where zarr is installed."""

import contextlib
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from cnnviz_jax.archive.encoding import STRUCTURE
from cnnviz_jax.errors import ResultFileError, UsageError
from cnnviz_jax.extras import require
from cnnviz_jax.files import whole

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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in entries.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


@contextlib.contextmanager
def read_npz(path: Path) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    """Yield the structure and the arrays of a file.

    Raises:
        ResultFileError: It is missing, broken, or holds no stored result.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if STRUCTURE not in archive.files:
                raise ResultFileError(f"{path} holds arrays but no result of cnnviz_jax; cv.save writes such files")
            yield str(archive[STRUCTURE]), archive
    except FileNotFoundError as error:
        raise ResultFileError(f"no file {path}") from error
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, AttributeError, EOFError) as error:
        if isinstance(error, ResultFileError):
            raise
        raise ResultFileError(f"{path} is not a whole .npz file: {error}") from error


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
        group = zarr.open_group(temporary, mode="w")
        for name, array in arrays.items():
            group.create_array(name, data=array if array.dtype.kind != "U" else array.astype(str))
        group.attrs[_ATTRIBUTE] = structure
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_zarr(path: Path) -> tuple[str, Mapping[str, np.ndarray]]:
    """Return the structure and the arrays of a folder.

    Raises:
        UsageError: zarr is not installed.
        ResultFileError: It is missing or holds no stored result.
    """
    zarr = require("zarr", what="a .zarr folder")
    if not path.is_dir():
        raise ResultFileError(f"no folder {path}")
    if not _is_ours(path):
        raise ResultFileError(f"{path} holds no result of cnnviz_jax; cv.save writes such folders")
    group = zarr.open_group(path, mode="r")
    return str(group.attrs[_ATTRIBUTE]), _Arrays(group)


class _Arrays(dict[str, np.ndarray]):
    """The arrays of a group, each read when it is asked for."""

    def __init__(self, group: object) -> None:
        super().__init__()
        self._group = group

    def __missing__(self, name: str) -> np.ndarray:
        return np.asarray(self._group[name][...])  # type: ignore[index]  # zarr's group


def _is_ours(path: Path) -> bool:
    zarr = require("zarr", what="a .zarr folder")
    try:
        return _ATTRIBUTE in zarr.open_group(path, mode="r").attrs
    except (OSError, ValueError, KeyError):
        return False
