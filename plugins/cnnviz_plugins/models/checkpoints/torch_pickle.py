"""Unpickles the table of contents of a PyTorch checkpoint without running anything it names.

A pickle is a small program that may call any function it can name. Here the names are a closed
list: the few that state dicts need, each mapped to a stand-in of our own; any other name stops the
reading before it is looked up. What comes out are `StoredTensor` records that say where in which
storage each tensor lies, to be checked and filled by `torch_file`.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, NoReturn

import ml_dtypes
import numpy as np

from cnnviz_jax.plugin import WeightsError


@dataclass(frozen=True)
class StorageType:
    """Stands for a class such as `torch.FloatStorage`."""

    dtype: np.dtype[Any]
    """Type of its elements."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers kept elsewhere in the file."""

    key: str
    """Its name in the file."""
    dtype: np.dtype[Any]
    """Type of its elements."""
    size: int
    """Number of its elements."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a strided window on a storage; nothing in it is checked yet."""

    storage: Storage
    """Where its numbers are."""
    offset: int
    """Index of its first element in the storage."""
    shape: tuple[int, ...]
    """Its shape."""
    stride: tuple[int, ...]
    """Steps between neighbours along each axis, in elements."""


class _StandIn:
    """Something the pickle may call but not alter: its BUILD instruction would otherwise set attributes."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> NoReturn:
        raise pickle.UnpicklingError("the file alters a function")


def _tensor(storage: Storage, offset: int, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


_DTYPES: dict[str, Any] = {
    "Double": np.float64,
    "Float": np.float32,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool_,
}

ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): _StandIn(tuple),
    ("torch._utils", "_rebuild_tensor"): _StandIn(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _StandIn(_tensor),
    ("torch._utils", "_rebuild_parameter"): _StandIn(lambda tensor, *_: tensor),
    **{("torch", f"{name}Storage"): StorageType(np.dtype(dtype)) for name, dtype in _DTYPES.items()},
}
"""Every name that a pickle may use, and what it gets for it."""


class StateDictUnpickler(pickle.Unpickler):
    """Reads one pickle of a PyTorch file; `storages` then lists the storages it refers to."""

    def __init__(self, file: IO[bytes], source: str) -> None:
        # Strings of Python 2 pickles are bytes; PyTorch reads them as UTF-8 too.
        super().__init__(file, encoding="utf-8")
        self._source = source
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name on the list.

        Raises:
            WeightsError: The name is not on the list; it is not imported to find out more.
        """
        if (module, name) not in ALLOWED:
            raise WeightsError(
                f"{self._source!r} names {module}.{name}, which weights do not need; reading stopped there and "
                "nothing was run. Save the bare state dict, best as .safetensors"
            )
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """The storage that a reference in the pickle stands for."""
        match pid:
            case ("storage", StorageType(dtype=dtype), str(key), str(), int(size), *rest) if rest in ([], [None]):
                return self.storages.setdefault(key, Storage(key, dtype, size))
        raise pickle.UnpicklingError(f"unknown storage reference {pid!r:.80}")
