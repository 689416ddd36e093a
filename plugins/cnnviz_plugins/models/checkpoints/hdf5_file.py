"""Reads the weights of Keras files, `.h5` and `.keras`, without Keras, as numbers only.

Keras rebuilds layers from these files, which can run code that a file brings (Lambda layers). Here only arrays are
read. Links that lead out of the file are refused: they would read other files of the user.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError

_KERAS_MEMBER = "model.weights.h5"
_WRAPPER = "model_weights/"
_TRAINING_ONLY = ("optimizer_weights", "optimizer")


def read_hdf5(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of a `.h5` or `.keras` file but the optimizer's, under their paths in it.

    Raises:
        WeightsError: h5py is not installed, or the file is damaged, or part of it is no plain array.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"reading {str(path)!r} needs h5py, which comes with `pip install 'cnnviz-jax[keras]'`"
        ) from error
    try:
        with h5py.File(_opened(path), "r") as file:
            arrays = dict(_arrays(file, "", str(path), h5py))
    except (OSError, zipfile.BadZipFile, KeyError, RuntimeError, MemoryError, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{str(path)!r} is not a whole Keras or HDF5 file: {error}") from error
    if not arrays:
        raise WeightsError(f"{str(path)!r} holds no arrays; save the model's weights")
    # A whole model keeps its weights in a folder of their own, a file of weights at the top.
    inner = {name.removeprefix(_WRAPPER): array for name, array in arrays.items() if name.startswith(_WRAPPER)}
    return inner or arrays


def _opened(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(_KERAS_MEMBER))


def _arrays(group: Any, prefix: str, source: str, h5py: Any) -> Iterator[tuple[str, Shaped[np.ndarray, "..."]]]:
    for name in group:
        if not prefix and name in _TRAINING_ONLY:
            continue
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(f"{prefix + name!r} in {source!r} is a link to elsewhere, which is not followed")
        value = group[name]
        if isinstance(value, h5py.Group):
            yield from _arrays(value, f"{prefix}{name}/", source, h5py)
        elif value.is_virtual or value.external:
            raise WeightsError(f"{prefix + name!r} in {source!r} is kept in another file, which is not read")
        elif value.dtype.kind not in "biuf":
            raise WeightsError(f"{prefix + name!r} in {source!r} is no array of numbers but {value.dtype}")
        else:
            yield f"{prefix}{name}", np.asarray(value[()])
