"""Reads `.npz` archives of NumPy, as numbers only: an array of objects is a pickle and is refused."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cnnviz_plugins.models.checkpoints.headers import Choose, check_archive, check_name
from cnnviz_plugins.models.checkpoints.npy_header import read_npy_header, read_npy_numbers

_SUFFIX = ".npy"


def read_npz(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of an `.npz` archive.

    Raises:
        ValueError: The archive is damaged, or an entry is something else than an array of numbers.
    """
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path)
        headers = {}
        for member in archive.namelist():
            if not member.endswith(_SUFFIX):
                raise ValueError(f"{member[:80]!r} is no array")
            with archive.open(member) as file:
                headers[check_name(member.removesuffix(_SUFFIX))] = read_npy_header(file)[0]
        arrays = {}
        for name in choose(headers):
            with archive.open(f"{name}{_SUFFIX}") as file:
                arrays[name] = read_npy_numbers(file, *read_npy_header(file))
    return arrays
