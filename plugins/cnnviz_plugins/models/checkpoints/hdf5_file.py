"""Reads the weights of Keras files, `.h5` and `.keras`, without Keras, as numbers only.

Keras rebuilds layers from these files, which can run code that a file brings (Lambda layers). Here only arrays are
read. Links that lead out of the file are refused: they would read other files of the user.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.headers import MOST_ARRAYS, ArrayHeader, Choose, check_archive, check_name

KERAS_MEMBER = "model.weights.h5"
"""The HDF5 file in a `.keras` archive."""

_WRAPPER = "model_weights/"
_TRAINING_ONLY = ("optimizer_weights", "optimizer")
_DEEPEST = 64


def read_hdf5(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of a `.h5` or `.keras` file, without the optimizer's, under their paths in it.

    Raises:
        WeightsError: h5py is not installed, or part of the file is no plain array.
        ValueError: The file is damaged, or nests or repeats groups without end. (HDF5 itself may raise other things.)
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"reading {str(path)!r} needs h5py, which comes with `pip install 'cnnviz-jax[keras]'`"
        ) from error
    with h5py.File(_opened(path), "r") as file:
        walk = _Walk(str(path), h5py)
        walk.visit(file, "", 0)
        # A whole model keeps its weights in a folder of their own, a file of weights at the top.
        inner = {n.removeprefix(_WRAPPER): found for n, found in walk.found.items() if n.startswith(_WRAPPER)}
        found = inner or walk.found
        headers = {name: ArrayHeader(dataset.shape, dataset.dtype) for name, dataset in found.items()}
        return {name: np.asarray(found[name][()]) for name in choose(headers)}


def _opened(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path)
        return io.BytesIO(archive.read(KERAS_MEMBER))


class _Walk:
    """Finds the datasets of a file; nothing of their numbers is read."""

    def __init__(self, source: str, h5py: Any) -> None:
        self.source = source
        self.h5py = h5py
        self.found: dict[str, Any] = {}
        self.groups: set[Any] = set()

    def visit(self, group: Any, prefix: str, depth: int) -> None:
        # Hard links may give a group many names, and even put it into itself. Keras writes each once.
        place = self.h5py.h5o.get_info(group.id).addr
        if place in self.groups or depth > _DEEPEST or len(self.groups) > MOST_ARRAYS:
            raise ValueError(f"the group {prefix[:80]!r} stands at two places, or too deep")
        self.groups.add(place)
        for name in group:
            if not prefix and name in _TRAINING_ONLY:
                continue
            path = check_name(f"{prefix}{name}")
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise WeightsError(f"{path!r} in {self.source!r} is a link to elsewhere, which is not followed")
            value = group[name]
            if isinstance(value, self.h5py.Group):
                self.visit(value, f"{path}/", depth + 1)
            else:
                self.take(path, value)

    def take(self, path: str, value: Any) -> None:
        if not isinstance(value, self.h5py.Dataset):
            return  # a type that has a name
        if value.is_virtual or value.external:
            raise WeightsError(f"{path!r} in {self.source!r} is kept in another file, which is not read")
        if value.dtype.kind not in "biuf" or value.shape is None:
            raise WeightsError(f"{path!r} in {self.source!r} is no array of numbers but {str(value.dtype)[:80]}")
        # To read one number, HDF5 unpacks the whole chunk that it stands in.
        if value.chunks and ArrayHeader(value.chunks, value.dtype).size_bytes > max(2 * value.nbytes, 1 << 24):
            raise ValueError(f"{path!r} is kept in chunks of {value.chunks} numbers, and is {value.shape}")
        if len(self.found) == MOST_ARRAYS:
            raise ValueError(f"it has more than {MOST_ARRAYS:,} arrays")
        self.found[path] = value
