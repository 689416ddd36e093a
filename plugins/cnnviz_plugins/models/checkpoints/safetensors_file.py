"""Reads `.safetensors` files: a JSON header, then raw arrays.

The library's own NumPy reader refuses bfloat16, which published weights often use, so arrays are
made here from the library's checked, deserialised bytes.
"""

from pathlib import Path

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors import deserialize, safe_open

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.guard import told
from cnnviz_plugins.models.checkpoints.headers import ArrayHeader, Choose, check_name

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

FORMAT = "safetensors file"
"""What messages call a file of this format."""


def read_safetensors(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of a `.safetensors` file, sorted by name.

    Raises:
        WeightsError: It holds an element type with no NumPy equal.
        safetensors.SafetensorError: The file is damaged or cut short.
    """
    with safe_open(path, framework="numpy") as file:  # maps the file and checks that its header describes all of it
        slices = {check_name(name): file.get_slice(name) for name in sorted(file.keys())}
        types = {name: each.get_dtype() for name, each in slices.items()}
        for name, dtype in types.items():
            if dtype not in DTYPES:
                raise WeightsError(f"{str(path)!r} stores {name!r} as {dtype}; save it as F32")
        headers = {name: ArrayHeader(tuple(s.get_shape()), np.dtype(DTYPES[types[name]])) for name, s in slices.items()}
        chosen = list(choose(headers))
    entries = dict(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]  # compiled, no stub
    return {
        name: np.frombuffer(entries[name]["data"], headers[name].dtype).reshape(headers[name].shape) for name in chosen
    }


def safetensors_metadata(path: Path) -> dict[str, str]:
    """What the file says about itself, such as `source` and `license`; empty if it says nothing.

    Raises:
        WeightsError: The file is damaged or cut short.
    """
    with told(path, FORMAT), safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})
