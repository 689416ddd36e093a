"""Reads `.eqx` files of Equinox: arrays one after another, without names, perhaps behind a line of JSON."""

import json
from pathlib import Path
from typing import IO

import ml_dtypes
import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError

MAGIC = b"\x93NUMPY"
"""How an array begins."""

_LONGEST_HEADER = 1 << 20


def read_equinox(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of an `.eqx` file under their numbers, `0` and on, because the file has no names.

    A first line of JSON, where users keep what their model is built from, is passed over.

    Raises:
        WeightsError: The file is damaged or cut short, or something in it is no array of numbers.
    """
    size = path.stat().st_size
    arrays = []
    try:
        with path.open("rb") as file:
            _pass_over_header(file)
            while file.tell() < size:
                arrays.append(_as_numbers(np.lib.format.read_array(file, allow_pickle=False)))
    except (ValueError, EOFError, MemoryError) as error:
        raise WeightsError(
            f"{str(path)!r} is not a whole Equinox file: array {len(arrays)} cannot be read ({error})"
        ) from error
    if not arrays:
        raise WeightsError(f"{str(path)!r} holds no arrays; save the model with eqx.tree_serialise_leaves")
    return {str(number): array for number, array in enumerate(arrays)}


def _pass_over_header(file: IO[bytes]) -> None:
    if file.read(len(MAGIC)) == MAGIC:
        file.seek(0)
        return
    file.seek(0)
    json.loads(file.readline(_LONGEST_HEADER))


def _as_numbers(array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    # NumPy's format has no bfloat16: such arrays are saved as two bytes without a meaning.
    if array.dtype == np.dtype("V2"):
        return array.view(ml_dtypes.bfloat16)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"it is {array.dtype}")
    return array
