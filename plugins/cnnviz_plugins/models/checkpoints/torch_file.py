"""Reads state dicts of PyTorch, `.pth`, `.pt` and `.th`, without PyTorch and without running their code.

Since PyTorch 1.6 a file is a zip archive: a pickle, `data.pkl`, and one raw member per storage.
Before, it was five pickles in a row (magic, version, machine, table, storage names) and then the
raw storages, each behind its length.
"""

import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped

from cnnviz_plugins.models.checkpoints.headers import MOST_ARRAYS, ArrayHeader, Choose, check_archive, check_name
from cnnviz_plugins.models.checkpoints.torch_pickle import Storage, StoredTensor, TablePickle

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."
_DEEPEST = 64

Storages = Mapping[str, Shaped[np.ndarray, " size"]]
"""Numbers by the storage's name."""


def read_torch(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen tensors of a PyTorch state dict, under their own names.

    A checkpoint that keeps the state dict beside other things (`state_dict`, `model_state_dict`,
    `model`) is opened, and the prefix `module.` that data-parallel training leaves is taken off.

    Raises:
        WeightsError: The file names code outside the closed list.
        ValueError: It is damaged or cut short. (A damaged pickle may raise other things.)
    """
    return _read_zip(path, choose) if zipfile.is_zipfile(path) else _read_legacy(path, choose)


def _read_zip(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path)
        names = archive.namelist()
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a zip archive without one data.pkl")
        prefix = pickles[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in names and archive.read(f"{prefix}byteorder") != b"little":
            raise ValueError("numbers in big-endian order")
        with archive.open(pickles[0]) as file:
            table = TablePickle(file, str(path)).load()
        tensors = _chosen(table, choose)
        needed = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        storages = {key: _numbers(storage, archive.read(f"{prefix}data/{key}")) for key, storage in needed.items()}
    return _filled(tensors, storages)


def _read_legacy(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    with path.open("rb") as opened:
        file = _Bounded(opened, path.stat().st_size)
        if file.read(4) == b"PK\x03\x04":
            raise ValueError("the end of the zip archive is missing, so the file was cut short")
        opened.seek(0)

        def load() -> Any:
            return TablePickle(file, str(path)).load()  # type: ignore[arg-type]  # all that pickletools asks of a file

        if load() != _LEGACY_MAGIC or load() != _LEGACY_VERSION:
            raise ValueError("a pickle, but not one that torch.save wrote")
        machine = load()
        if not machine["little_endian"]:
            raise ValueError("numbers in big-endian order")
        pickled = TablePickle(file, str(path))  # type: ignore[arg-type]
        tensors = _chosen(pickled.load(), choose)
        keys = load()
        needed = {tensor.storage.key for tensor in tensors.values()}
        storages = {}
        for key in keys:
            numbers = _next_storage(opened, pickled.storages[key], path)
            if key in needed:
                storages[key] = numbers
    return _filled(tensors, storages)


class _Bounded:
    """A file that is never asked for more than it has: what reads it would make room for all it asks for."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self.readline = file.readline
        self.tell = file.tell

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, self._size - self._file.tell())))


def _next_storage(file: IO[bytes], storage: Storage, path: Path) -> Shaped[np.ndarray, " size"]:
    (size,) = struct.unpack("<q", file.read(8))
    left = path.stat().st_size - file.tell()
    if not 0 <= size * storage.dtype.itemsize <= left:
        raise ValueError("the last storages are missing, so the file was cut short")
    return _numbers(storage, file.read(size * storage.dtype.itemsize))


def _numbers(storage: Storage, data: bytes) -> Shaped[np.ndarray, " size"]:
    if not 0 <= storage.size * storage.dtype.itemsize <= len(data):
        raise ValueError(f"storage {storage.key[:80]!r} is cut short")
    return np.frombuffer(data, storage.dtype, storage.size)


def _chosen(table: Any, choose: Choose) -> dict[str, StoredTensor]:
    tensors = _tensors(_state_dict(table))
    if tensors and all(name.startswith(_PARALLEL) for name in tensors):
        tensors = {name.removeprefix(_PARALLEL): tensor for name, tensor in tensors.items()}
    names = choose({name: ArrayHeader(tensor.shape, tensor.storage.dtype) for name, tensor in tensors.items()})
    return {name: tensors[name] for name in names}


def _state_dict(table: Any) -> Any:
    for wrapper in _WRAPPERS:
        if isinstance(table, dict) and isinstance(table.get(wrapper), dict):
            return table[wrapper]
    return table


def _tensors(table: Any) -> dict[str, StoredTensor]:
    """Return all tensors of nested dicts by path.

    A dict may stand at several places, so that a few hundred bytes hold 2**60 paths, or in itself: steps are counted.
    """
    found: dict[str, StoredTensor] = {}
    waiting: list[tuple[str, Any, int]] = [("", table, 0)]
    steps = 0
    while waiting:
        prefix, value, depth = waiting.pop()
        if isinstance(value, StoredTensor):
            found[check_name(prefix.removesuffix("."))] = value
        elif isinstance(value, dict):  # what is neither tensor nor dict, such as an epoch count, is no weight
            steps += len(value)
            if depth > _DEEPEST or steps > MOST_ARRAYS:
                raise ValueError("its dictionaries hold one another without end")
            inner = ((check_name(f"{prefix}{name}."), each, depth + 1) for name, each in value.items())
            waiting += reversed([each for each in inner if isinstance(each[1], StoredTensor | dict)])
    return found


def _filled(tensors: Mapping[str, StoredTensor], storages: Storages) -> dict[str, Shaped[np.ndarray, "..."]]:
    return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _array(tensor: StoredTensor, numbers: Shaped[np.ndarray, " size"]) -> Shaped[np.ndarray, "..."]:
    shape, stride, offset = tensor.shape, tensor.stride, tensor.offset
    if len(shape) != len(stride) or min((offset, *shape, *stride)) < 0:
        raise ValueError("a tensor with a negative size or step")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= numbers.size:  # as_strided would read memory outside the storage
        raise ValueError("a tensor that reaches beyond its storage")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False)
