"""Reads weights that lie in several files, listed by a `*.index.json`, and folders as Hugging Face keeps models."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError
from cnnviz_plugins.models.checkpoints.headers import MOST_ARRAYS, ArrayHeader, Choose, Headers, check_name

Read = Callable[[Path, Choose], dict[str, Shaped[np.ndarray, "..."]]]

INDEX = ".index.json"
"""The end of an index's name."""
WEIGHTS_OF_A_FOLDER = (
    "model.safetensors", "model.safetensors.index.json", "flax_model.msgpack", "flax_model.msgpack.index.json",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "diffusion_pytorch_model.safetensors",
    "open_clip_model.safetensors",
)  # fmt: skip
"""What a folder of Hugging Face may hold its weights in, the best first."""
_LARGEST_INDEX_BYTES = 64 << 20


def weights_of(folder: Path) -> Path | None:
    """Return the weights file of a Hugging Face folder, or its index; `None` where the folder is none.

    Raises:
        WeightsError: It is a link to elsewhere than the blobs of Hugging Face's cache.
    """
    found = next((folder / name for name in WEIGHTS_OF_A_FOLDER if (folder / name).is_file()), None)
    if found is not None and not _stays(found):
        raise WeightsError(f"{str(found)!r} is a link out of its folder; name the file that you mean")
    return found


def read_index(path: Path, choose: Choose, read: Read) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of the files that an index lists; none is read before all are known.

    Args:
        path: The index: `{"weight_map": {name: file}}`.
        choose: What to read.
        read: Reads one of the files.

    Raises:
        WeightsError: A file is missing, lies elsewhere, or lacks an array that it should have.
        ValueError: The index has another form.
    """
    places = _places(path)
    headers: dict[str, ArrayHeader] = {}
    for file in dict.fromkeys(places.values()):
        headers |= _headers(file, {name for name, place in places.items() if place == file}, read)
    chosen = list(choose({name: headers[name] for name in places}))
    arrays: dict[str, Shaped[np.ndarray, "..."]] = {}  # noqa: UP037  # a shape, no annotation
    for file in dict.fromkeys(places[name] for name in chosen):
        own = [name for name in chosen if places[name] == file]
        arrays |= read(file, partial(_these, own))
    return {name: arrays[name] for name in chosen}


def _places(path: Path) -> dict[str, Path]:
    if path.stat().st_size > _LARGEST_INDEX_BYTES:
        raise ValueError(f"an index of {path.stat().st_size:,} bytes")
    listed = json.loads(path.read_text(encoding="utf-8"))
    table = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(table, dict) or not all(isinstance(file, str) for file in table.values()):
        raise ValueError("an index without a weight_map of names and files")
    if len(table) > MOST_ARRAYS:
        raise ValueError(f"an index of {len(table):,} arrays")
    places = {}
    for name, file in table.items():
        # A stranger's index must not lead to other files of the user's.
        if Path(file).name != file or not _stays(path.parent / file):
            raise WeightsError(f"{str(path)!r} names {file[:80]!r}, which does not lie beside it")
        if not (path.parent / file).is_file():
            raise WeightsError(f"{str(path)!r} needs {file!r} beside it, which is not there; download all its files")
        places[check_name(name)] = path.parent / file
    return places


def _stays(file: Path) -> bool:
    """Whether a file is no link, or one to where Hugging Face's cache keeps files: a folder `blobs` two levels up."""
    return not file.is_symlink() or file.resolve().parent == (file.parent / ".." / ".." / "blobs").resolve()


def _these(names: list[str], headers: Headers) -> Iterable[str]:
    return names


def _headers(file: Path, needed: set[str], read: Read) -> dict[str, ArrayHeader]:
    """What a file says of the arrays that the index seeks in it."""
    found: dict[str, ArrayHeader] = {}

    def note(headers: Headers) -> Iterable[str]:
        found.update(headers)
        return ()

    read(file, note)
    if missing := sorted(needed - found.keys()):
        raise WeightsError(f"{str(file)!r} lacks {missing[0]!r}, which its index seeks there")
    return {name: found[name] for name in needed}
