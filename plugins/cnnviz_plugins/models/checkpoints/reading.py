"""Reads weights on disk: looks at what a file holds, then at its suffix, and reads it.

Content comes first because suffixes lie: `.pth` files may be zip archives or bare pickles, and
people rename what they download.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError, did_you_mean
from cnnviz_plugins.models.checkpoints.equinox_file import MAGIC, read_equinox
from cnnviz_plugins.models.checkpoints.hdf5_file import read_hdf5
from cnnviz_plugins.models.checkpoints.orbax_folder import read_orbax
from cnnviz_plugins.models.checkpoints.safetensors_file import read_safetensors
from cnnviz_plugins.models.checkpoints.torch_file import read_torch


def read_npz(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of an `.npz` archive.

    Raises:
        WeightsError: The archive is damaged, or an entry is a pickled object rather than numbers.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise WeightsError(f"{str(path)!r} is not a whole .npz archive of plain arrays: {error}") from error


Reader = Callable[[Path], dict[str, Shaped[np.ndarray, "..."]]]

READERS: dict[str, Reader] = {
    ".safetensors": read_safetensors,
    ".pth": read_torch,
    ".pt": read_torch,
    ".th": read_torch,
    ".npz": read_npz,
    ".h5": read_hdf5,
    ".keras": read_hdf5,
    ".eqx": read_equinox,
}
"""Reader by file suffix; an Orbax checkpoint is a folder and has none."""


def read_weights(path: str | Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of the checkpoint at `path`, under the names that the file gives them.

    Args:
        path: A `.safetensors`, `.pth`, `.pt`, `.th`, `.npz`, `.h5`, `.keras` or `.eqx` file, or an Orbax folder.

    Raises:
        WeightsError: Nothing is there, it is no checkpoint, it is damaged, or reading it would run code.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return read_orbax(path)
        if not path.exists():
            near = did_you_mean(path.name, (beside.name for beside in _siblings(path)))
            raise WeightsError(f"no weights at {str(path)!r}.{near}")
        with path.open("rb") as file:
            head = file.read(9)
        if not head:
            raise WeightsError(f"{str(path)!r} is empty; download or save it again")
        reader = _by_content(path, head) or READERS.get(path.suffix.lower())
        if reader is None:
            raise WeightsError(
                f"{str(path)!r} is no weights file that can be read here; "
                f"known are {', '.join(READERS)} files and Orbax folders"
            )
        return reader(path)
    except OSError as error:
        raise WeightsError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def _siblings(path: Path) -> list[Path]:
    return list(path.parent.iterdir()) if path.parent.is_dir() else []


def _by_content(path: Path, head: bytes) -> Reader | None:
    if head.startswith(b"PK\x03\x04") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if "model.weights.h5" in names:
            return read_hdf5
        return read_npz if all(name.endswith(".npy") for name in names) else read_torch
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return read_hdf5
    if head.startswith(MAGIC) or (path.suffix.lower() == ".eqx" and head.startswith(b"{")):
        return read_equinox
    if head.startswith(b"\x80"):  # the PROTO opcode that opens every pickle since protocol 2
        return read_torch
    if head[8:9] == b"{":  # a header length of 8 bytes, then JSON
        return read_safetensors
    return None
