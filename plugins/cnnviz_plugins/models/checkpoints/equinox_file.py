"""Reads `.eqx` files of Equinox: arrays one after another, without names, perhaps behind a line of JSON."""

import json
import os
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from cnnviz_plugins.models.checkpoints.headers import MOST_ARRAYS, ArrayHeader, Choose
from cnnviz_plugins.models.checkpoints.npy_header import MAGIC, read_npy_header, read_npy_numbers

_LONGEST_HEADER = 1 << 20


def read_equinox(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of an `.eqx` file under their numbers, `0` and on, because the file has no names.

    A first line of JSON, where users keep what their model is built from, is passed over.

    Raises:
        ValueError: The file is damaged or cut short, or something in it is no array of numbers.
    """
    size = path.stat().st_size
    found: list[tuple[int, ArrayHeader, bool]] = []
    with path.open("rb") as file:
        _pass_over_header(file)
        while file.tell() < size:
            try:
                header, is_fortran = read_npy_header(file)
            except Exception as error:  # the header is a Python literal, and parsing one may raise anything
                raise ValueError(f"array {len(found)} cannot be read ({error})") from error
            if header.size_bytes > size - file.tell() or len(found) == MOST_ARRAYS:
                raise ValueError(f"array {len(found)} cannot be read (its end is missing)")
            found.append((file.tell(), header, is_fortran))
            file.seek(header.size_bytes, os.SEEK_CUR)
        arrays = {}
        for name in choose({str(number): header for number, (_, header, _) in enumerate(found)}):
            start, header, is_fortran = found[int(name)]
            file.seek(start)
            arrays[name] = read_npy_numbers(file, header, is_fortran)
    return arrays


def _pass_over_header(file: IO[bytes]) -> None:
    if file.read(len(MAGIC)) == MAGIC:
        file.seek(0)
        return
    file.seek(0)
    json.loads(file.readline(_LONGEST_HEADER))
