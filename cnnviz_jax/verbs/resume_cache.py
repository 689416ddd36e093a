"""What a synthesis or an explanation has done, in a folder: the same call resumes where an interrupted one stopped."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.errors import RenderError
from cnnviz_jax.files import whole
from cnnviz_jax.model.digests import weights_digest
from cnnviz_jax.model.model import Model
from cnnviz_jax.reading.numpy_files import NpzFile
from cnnviz_jax.results.provenance import versions


class ResumeFolder:
    """One file per finished target, or unfinished image, named by everything that decides its numbers."""

    def __init__(self, folder: str | Path, model: Model, each: Sequence[tuple[str, ...]], **identity: Any) -> None:
        """Name the files; the folder is made when the first target is finished.

        Args:
            folder: Where the files are.
            model: What computes the numbers: its parameters, and the versions installed, decide them too.
            each: What decides the numbers of each target.
            **identity: What else decides those of all targets, ready for JSON.
        """
        self.folder = Path(folder)
        identity |= {"model": model.name, "parameters": weights_digest(model), "versions": versions()}
        shared = json.dumps(identity, sort_keys=True, default=str)
        names = [hashlib.sha256(repr((shared, own)).encode()).hexdigest()[:24] for own in each]
        self.paths = [self.folder / f"{name}.npz" for name in names]

    def load(self, index: int) -> list[np.ndarray] | None:
        """Return the arrays of a finished target; `None` if it is not there or its file is broken."""
        try:
            with NpzFile(self.paths[index]) as archive:
                return [archive[f"a{k}"] for k in range(len(archive))]
        except (OSError, ValueError, KeyError):
            return None

    def save(self, index: int, arrays: list[np.ndarray]) -> None:
        """Keep the arrays of a finished target; the file appears only when it is whole.

        Raises:
            RenderError: The folder cannot be written.
        """
        try:
            with whole(self.paths[index]) as temporary:
                np.savez(temporary, **{f"a{k}": array for k, array in enumerate(arrays)})  # type: ignore[arg-type]
        except OSError as error:
            raise RenderError(f"cannot keep finished images in {self.folder}: {error.strerror or error}") from error

    def forget(self) -> None:
        """Remove the files, and the folder if nothing else is in it."""
        for path in self.paths:
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
