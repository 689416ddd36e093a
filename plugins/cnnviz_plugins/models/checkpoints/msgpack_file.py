"""Reads `.msgpack` files, as `flax.serialization.to_bytes` and Hugging Face's Flax models write them.

Read by msgpack itself and not by Flax, which would make every array before anybody had asked what the file holds.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import msgpack
import numpy as np
from jaxtyping import Shaped

from cnnviz_plugins.models.checkpoints.headers import MOST_ARRAYS, ArrayHeader, Choose, check_name

_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3
"""Flax's extension types."""
_CHUNKED = "__msgpack_chunked_array__"
_DEEPEST = 64
_KINDS = "biufc"
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class _Packed(NamedTuple):
    """An array as the file has it: what it is, and its bytes."""

    header: ArrayHeader
    data: bytes | list["_Packed"]
    """The bytes, or the pieces of an array above 1 GiB."""

    def numbers(self) -> Shaped[np.ndarray, "..."]:
        """Return the array."""
        if isinstance(self.data, bytes):
            return np.frombuffer(self.data, self.header.dtype).reshape(self.header.shape)
        return np.concatenate([piece.numbers() for piece in self.data]).reshape(self.header.shape)


def read_msgpack(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of a `.msgpack` file, keys on the way to them joined by dots.

    Raises:
        ValueError: The file is damaged or holds something else than nested tables of arrays of numbers.
    """
    # msgpack packs nothing: what is unpacked here, bytes and tables, is about as large as the file.
    table = msgpack.unpackb(path.read_bytes(), ext_hook=_extension, raw=False, strict_map_key=False)
    arrays = dict(_arrays(table, ()))
    if len(arrays) > MOST_ARRAYS:
        raise ValueError(f"a table of {len(arrays):,} arrays")
    return {name: arrays[name].numbers() for name in choose({name: each.header for name, each in arrays.items()})}


def _extension(code: int, data: bytes) -> Any:
    if code == _COMPLEX:
        return None
    if code not in (_ARRAY, _SCALAR):
        raise ValueError(f"an extension of type {code}, which Flax does not write")
    shape, kind, numbers = msgpack.unpackb(data, raw=True)
    name = kind.decode("ascii")
    # Flax writes the name; for dtypes that NumPy lacks only that one is used.
    dtype = _BFLOAT16 if name == "bfloat16" else np.dtype(name)
    if dtype != _BFLOAT16 and dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype}")
    header = ArrayHeader(tuple(shape), dtype)
    if header.size_bytes != len(numbers):
        raise ValueError(f"an array of shape {header.shape} in {len(numbers):,} bytes")
    return _Packed(header, numbers)


def _arrays(table: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, _Packed]]:
    """Yield the arrays below a table by name; numbers, words and what is empty are left out."""
    if isinstance(table, _Packed):
        yield check_name(".".join(keys)), table
    elif isinstance(table, Mapping) and _CHUNKED in table:
        yield check_name(".".join(keys)), _joined(table)
    elif isinstance(table, Mapping | list):
        if len(keys) > _DEEPEST:
            raise ValueError(f"tables {len(keys)} deep")
        rows = table.items() if isinstance(table, Mapping) else enumerate(table)
        for key, value in rows:
            yield from _arrays(value, (*keys, str(key)))


def _joined(table: Mapping[str, Any]) -> _Packed:
    shape = tuple(table["shape"][str(k)] for k in range(len(table["shape"])))
    pieces = [table["chunks"][str(k)] for k in range(len(table["chunks"]))]
    if not pieces or not all(isinstance(piece, _Packed) for piece in pieces):
        raise ValueError("an array in pieces that are none")
    header = ArrayHeader(shape, pieces[0].header.dtype)
    if math.prod(shape) != sum(piece.header.size for piece in pieces):
        raise ValueError(f"an array of shape {shape} in pieces of other sizes")
    return _Packed(header, pieces)
