"""The header of one array in NumPy's own format, which stands in `.npz` archives and `.eqx` files."""

from io import BufferedIOBase
from typing import IO

import ml_dtypes
import numpy as np
from jaxtyping import Shaped

from cnnviz_plugins.models.checkpoints.headers import ArrayHeader

MAGIC = b"\x93NUMPY"
"""How an array begins."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy_header(file: IO[bytes] | BufferedIOBase) -> tuple[ArrayHeader, bool]:
    """Read up to the first number; return shape and element type, and whether the first axis runs fastest.

    Raises:
        ValueError: It is no header, or one of something else than numbers. (Parsing it may raise other things.)
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an array in version {version} of NumPy's format, which only names of fields need")
    try:
        shape, is_fortran, dtype = _HEADERS[version](file)
    except MemoryError as error:  # Python's parser says so of thousands of brackets
        raise ValueError("a header that is nested too deep") from error
    # NumPy's format has no bfloat16: such arrays are saved as two bytes without a meaning.
    if dtype == np.dtype("V2"):
        dtype = np.dtype(ml_dtypes.bfloat16)
    elif dtype.kind not in "biufc":
        raise ValueError(f"it is {str(dtype)[:80]}, no array of numbers")
    return ArrayHeader(shape, dtype), is_fortran


def read_npy_numbers(
    file: IO[bytes] | BufferedIOBase, header: ArrayHeader, is_fortran: bool
) -> Shaped[np.ndarray, "..."]:
    """Read the numbers that follow a header.

    Raises:
        ValueError: They end too early.
    """
    data = file.read(header.size_bytes)
    if len(data) < header.size_bytes:
        raise ValueError("its end is missing")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if is_fortran else "C")
