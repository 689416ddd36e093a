"""Reads `.safetensors` files: a JSON header, then raw arrays.

The library's own NumPy reader refuses bfloat16, which published weights often use, so arrays are
made here from the library's checked, deserialised bytes.
"""

from pathlib import Path

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, deserialize, safe_open

from cnnviz_jax.plugin import WeightsError

DTYPES: dict[str, type] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
"""NumPy type of each element type that weights come in."""


def read_safetensors(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of a `.safetensors` file, sorted by name.

    Raises:
        WeightsError: The file is damaged, cut short, or holds an element type with no NumPy equal.
    """
    try:
        entries = dict(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]  # compiled, no stub
    except SafetensorError as error:
        raise WeightsError(f"{str(path)!r} is not a whole safetensors file: {error}") from error
    arrays = {}
    for name, entry in sorted(entries.items()):
        if entry["dtype"] not in DTYPES:
            raise WeightsError(f"{str(path)!r} stores {name!r} as {entry['dtype']}; save it as F32")
        arrays[name] = np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def safetensors_metadata(path: Path) -> dict[str, str]:
    """What the file says about itself, such as `source` and `license`; empty if it says nothing.

    Raises:
        WeightsError: The file is damaged or cut short.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{str(path)!r} is not a whole safetensors file: {error}") from error
