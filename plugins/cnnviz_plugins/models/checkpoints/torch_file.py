"""Reads state dicts of PyTorch, `.pth`, `.pt` and `.th`, without PyTorch and without running their code.

Since PyTorch 1.6 a file is a zip archive: a pickle, `data.pkl`, and one raw member per storage.
Before, it was five pickles in a row (magic, version, machine, table, storage names) and then the
raw storages, each behind its length.
"""

import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.torch_pickle import StateDictUnpickler, Storage, StoredTensor

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_torch(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All tensors of a PyTorch state dict, under their own names.

    A checkpoint that keeps the state dict beside other things (`state_dict`, `model_state_dict`,
    `model`) is opened, and the prefix `module.` that data-parallel training leaves is taken off.

    Raises:
        WeightsError: The file is damaged or cut short, holds no tensors, or names code outside the closed list.
    """
    try:
        read = _read_zip if zipfile.is_zipfile(path) else _read_legacy
        table, storages = read(path)
        tensors = dict(_tensors(_state_dict(table), ""))
        arrays = {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    except (WeightsError, OSError):
        raise
    except Exception as error:  # a damaged pickle can raise anything; none of it is a fault of ours
        raise WeightsError(
            f"{str(path)!r} is not a whole PyTorch checkpoint: {error or type(error).__name__}"
        ) from error
    if not arrays:
        raise WeightsError(f"{str(path)!r} holds no tensors; save the model's state_dict()")
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    return arrays


def _read_zip(path: Path) -> tuple[Any, Mapping[str, Shaped[np.ndarray, " size"]]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a zip archive without one data.pkl")
        prefix = pickles[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in names and archive.read(f"{prefix}byteorder") != b"little":
            raise ValueError("numbers in big-endian order")
        with archive.open(pickles[0]) as file:
            unpickler = StateDictUnpickler(file, str(path))
            table = unpickler.load()
        return table, {
            key: _numbers(storage, archive.read(f"{prefix}data/{key}")) for key, storage in unpickler.storages.items()
        }


def _read_legacy(path: Path) -> tuple[Any, Mapping[str, Shaped[np.ndarray, " size"]]]:
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise ValueError("the end of the zip archive is missing, so the file was cut short")
        file.seek(0)

        def load() -> Any:
            return StateDictUnpickler(file, str(path)).load()

        if load() != _LEGACY_MAGIC or load() != _LEGACY_VERSION:
            raise ValueError("a pickle, but not one that torch.save wrote")
        machine = load()
        if not machine["little_endian"]:
            raise ValueError("numbers in big-endian order")
        unpickler = StateDictUnpickler(file, str(path))
        table = unpickler.load()
        keys = load()
        return table, {key: _next_storage(file, unpickler.storages[key], path) for key in keys}


def _next_storage(file: IO[bytes], storage: Storage, path: Path) -> Shaped[np.ndarray, " size"]:
    (size,) = struct.unpack("<q", file.read(8))
    left = path.stat().st_size - file.tell()
    if not 0 <= size * storage.dtype.itemsize <= left:
        raise ValueError("the last storages are missing, so the file was cut short")
    return _numbers(storage, file.read(size * storage.dtype.itemsize))


def _numbers(storage: Storage, data: bytes) -> Shaped[np.ndarray, " size"]:
    if len(data) < storage.size * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key!r} is cut short")
    return np.frombuffer(data, storage.dtype, storage.size)


def _state_dict(table: Any) -> Any:
    for wrapper in _WRAPPERS:
        if isinstance(table, dict) and isinstance(table.get(wrapper), dict):
            return table[wrapper]
    return table


def _tensors(table: Any, prefix: str) -> Iterator[tuple[str, StoredTensor]]:
    if isinstance(table, StoredTensor):
        yield prefix.removesuffix("."), table
    elif isinstance(table, dict):  # what is neither tensor nor dict, such as an epoch count, is no weight
        for name, value in table.items():
            yield from _tensors(value, f"{prefix}{name}.")


def _array(tensor: StoredTensor, numbers: Shaped[np.ndarray, " size"]) -> Shaped[np.ndarray, "..."]:
    shape, stride, offset = tensor.shape, tensor.stride, tensor.offset
    if len(shape) != len(stride) or min((offset, *shape, *stride)) < 0:
        raise ValueError("a tensor with a negative size or step")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= numbers.size:  # as_strided would read memory outside the storage
        raise ValueError("a tensor that reaches beyond its storage")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False)
