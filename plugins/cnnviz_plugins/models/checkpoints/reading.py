"""Reads weights on disk: looks at what a file holds, then at its suffix, and reads it.

Content comes first because suffixes lie: `.pth` files may be zip archives or bare pickles, and
people rename what they download.
"""

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError, did_you_mean
from cnnviz_plugins.models.checkpoints.equinox_file import read_equinox
from cnnviz_plugins.models.checkpoints.guard import told
from cnnviz_plugins.models.checkpoints.hdf5_file import KERAS_MEMBER, read_hdf5
from cnnviz_plugins.models.checkpoints.headers import Choose, Headers, everything
from cnnviz_plugins.models.checkpoints.msgpack_file import read_msgpack
from cnnviz_plugins.models.checkpoints.npy_header import MAGIC
from cnnviz_plugins.models.checkpoints.npz_file import read_npz
from cnnviz_plugins.models.checkpoints.orbax_folder import read_orbax
from cnnviz_plugins.models.checkpoints.safetensors_file import FORMAT, read_safetensors
from cnnviz_plugins.models.checkpoints.sharded import INDEX, read_index, weights_of
from cnnviz_plugins.models.checkpoints.torch_file import read_torch


@dataclass(frozen=True)
class Format:
    """A kind of checkpoint."""

    title: str
    """What messages call it."""
    read: Callable[[Path, Choose], dict[str, Shaped[np.ndarray, "..."]]]
    """`read(path, choose)` gives the chosen arrays by name; of a damaged file it may raise anything."""
    save: str = "save the model's weights"
    """What to do where a file holds no arrays."""


_SAFETENSORS = Format(FORMAT, read_safetensors)
_TORCH = Format("PyTorch checkpoint", read_torch, "save the model's state_dict()")
_NPZ = Format(".npz archive of plain arrays", read_npz)
_HDF5 = Format("Keras or HDF5 file", read_hdf5)
_EQUINOX = Format("Equinox file", read_equinox, "save the model with eqx.tree_serialise_leaves")
_MSGPACK = Format("Flax msgpack file", read_msgpack, "save the model with flax.serialization.to_bytes")
_ORBAX = Format("Orbax checkpoint", read_orbax)

FORMATS: dict[str, Format] = {
    ".safetensors": _SAFETENSORS,
    ".pth": _TORCH,
    ".pt": _TORCH,
    ".th": _TORCH,
    ".npz": _NPZ,
    ".h5": _HDF5,
    ".keras": _HDF5,
    ".eqx": _EQUINOX,
    ".msgpack": _MSGPACK,
    ".bin": _TORCH,
}
"""Format by file suffix; an Orbax checkpoint is a folder and has none."""

_MAPS = (*range(0x81, 0x90), 0xDE, 0xDF)
"""First bytes of a msgpack table with something in it."""


def read_weights(path: str | Path, choose: Choose | None = None) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Arrays of the checkpoint at `path`, under the names that the file gives them.

    Args:
        path: A file of one of `FORMATS`, the `.index.json` of several, an Orbax folder, or one of Hugging Face.
        choose: Told shape and element type of every array before any is read, it names those to read, or raises. All
            are read where it is `None`, unless they would take more than 64 times the file and 64 MiB.

    Raises:
        WeightsError: Nothing is there, it is no checkpoint, it is damaged, or reading it would run code.
    """
    path = Path(path)
    with told(path, "checkpoint"):
        path = (weights_of(path) if path.is_dir() else None) or path
        checkpoint = _INDEX if path.name.lower().endswith(INDEX) else _format_of(path)
    with told(path, checkpoint.title):
        count = 0

        def counting(headers: Headers) -> Iterable[str]:
            nonlocal count
            count = len(headers)
            return (choose or everything(path))(headers) if headers else ()

        arrays = checkpoint.read(path, counting)
    if not count:
        raise WeightsError(
            f"{str(path)!r} holds no {'tensors' if checkpoint is _TORCH else 'arrays'}; {checkpoint.save}"
        )
    return arrays


def _read_shard(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    shard = _format_of(path)
    with told(path, shard.title):
        return shard.read(path, choose)


_INDEX = Format("index of weights files", lambda path, choose: read_index(path, choose, _read_shard))


def _format_of(path: Path) -> Format:
    if path.is_dir():
        return _ORBAX
    if not path.exists():
        near = did_you_mean(path.name, (beside.name for beside in _siblings(path)))
        raise WeightsError(f"no weights at {str(path)!r}.{near}")
    if not path.is_file():  # to open a pipe is to wait for whoever writes to it
        raise WeightsError(f"{str(path)!r} is neither a file nor a folder; give a weights file")
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise WeightsError(f"{str(path)!r} is empty; download or save it again")
    found = _by_content(path, head) or FORMATS.get(path.suffix.lower())
    if found is None:
        raise WeightsError(
            f"{str(path)!r} is no weights file that can be read here; "
            f"known are {', '.join(FORMATS)} files, *{INDEX}, and folders of Orbax and Hugging Face"
        )
    return found


def _siblings(path: Path) -> list[Path]:
    return list(path.parent.iterdir()) if path.parent.is_dir() else []


def _by_content(path: Path, head: bytes) -> Format | None:
    if head.startswith(b"PK\x03\x04") and zipfile.is_zipfile(path):
        with told(path, "zip archive"), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if KERAS_MEMBER in names:
            return _HDF5
        return _NPZ if all(name.endswith(".npy") for name in names) else _TORCH
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _HDF5
    if head.startswith(MAGIC) or (path.suffix.lower() == ".eqx" and head.startswith(b"{")):
        return _EQUINOX
    # A header length of 8 bytes, then JSON. Looked for before pickles: a header of 128 bytes begins like one.
    if head[4:9] == b"\0\0\0\0{":
        return _SAFETENSORS
    if head.startswith(b"\x80"):  # the PROTO opcode that opens every pickle since protocol 2
        return _TORCH
    if head[0] in _MAPS and path.suffix.lower() == ".msgpack":
        return _MSGPACK
    return None
