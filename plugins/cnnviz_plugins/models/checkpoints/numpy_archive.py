"""Reads `.npz` archives, with pickled objects refused."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError


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
