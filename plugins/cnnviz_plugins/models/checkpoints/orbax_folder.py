"""Reads Orbax checkpoint folders, as Flax users save them, without knowing the tree beforehand.

Three layouts are met in the wild: the folder of one saved tree, a `CheckpointManager` step that
keeps the tree in `default/`, and the manager's root, whose subfolders are step numbers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError, require
from cnnviz_plugins.models.checkpoints.headers import ArrayHeader, Choose, check_name, check_total

_TREE_FILE = "_METADATA"


def read_orbax(path: Path, choose: Choose) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The chosen arrays of an Orbax checkpoint, their tree paths joined by dots; of several steps the newest.

    Raises:
        WeightsError: The folder holds no Orbax checkpoint, or parts of it lie elsewhere.
        ValueError: It promises more than it can hold. (Orbax lets errors of its storage layers through as they are.)
    """
    import orbax.checkpoint as ocp  # takes most of a second to import, and most weights are one file

    folder = _tree_folder(path)
    if folder is None:
        raise WeightsError(
            f"{str(path)!r} is a folder but no Orbax checkpoint: neither it nor its newest step has a {_TREE_FILE}"
        )
    _check_inside(folder, path)
    # Orbax brings tensorstore today, but does not promise to; declared it is only in the extra `sweep`.
    tensorstore = require("tensorstore", what=f"the Orbax checkpoint {str(path)!r}")
    _read_through(folder, tensorstore)
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.metadata(folder.absolute()).item_metadata.tree
        leaves = dict(_leaves(tree, ()))
        headers = {name: _header(name, leaf) for name, leaf in leaves.items()}
        chosen = set(choose(headers))
        # Restoring is all or nothing, so that what was not chosen counts too.
        check_total(sum(header.size_bytes for header in headers.values()), path)
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        restored = checkpointer.restore(folder.absolute(), restore_args=as_numpy)
    return {name: np.asarray(array) for name, array in _leaves(restored, ()) if name in chosen}


def _check_inside(folder: Path, path: Path) -> None:
    """Refuse what would read, or wait for, files elsewhere: links, pipes and names that lead up."""
    for place in (folder, *folder.rglob("*")):
        if place.is_symlink() or not (place.is_file() or place.is_dir()):
            raise WeightsError(
                f"{str(place.relative_to(path))!r} in {str(path)!r} is a link or no file; it is not read"
            )


def _header(name: str, leaf: Any) -> ArrayHeader:
    if ".." in name.split("/") or name.startswith("/"):
        raise ValueError(f"a name that leads out of it, {name[:80]!r}")
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):  # a Python number
        return ArrayHeader((), np.dtype(np.float64))
    header = ArrayHeader(tuple(leaf.shape), np.dtype(leaf.dtype))
    chunks = getattr(getattr(leaf, "storage", None), "chunk_shape", None)
    # To read one number, the whole chunk that it stands in is unpacked.
    if chunks and ArrayHeader(tuple(chunks), header.dtype).size_bytes > max(2 * header.size_bytes, 1 << 24):
        raise ValueError(f"{name!r} is kept in chunks of {tuple(chunks)} numbers, and is {header.shape}")
    return header


def _read_through(folder: Path, tensorstore: Any) -> None:
    """Read every byte once, one key after another, so that damage shows here.

    Where it shows inside Orbax, the reads it had under way end on a closed event loop and complain on stderr.
    """
    if (folder / "manifest.ocdbt").exists():
        store = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{folder.absolute()}/"}).result()
        for key in store.list().result():
            store.read(key).result()


def _tree_folder(path: Path) -> Path | None:
    steps = [child for child in path.iterdir() if child.is_dir() and child.name.isdecimal()]
    newest = [max(steps, key=lambda step: int(step.name))] if steps else []
    roots = [path, *newest]
    candidates = [folder for root in roots for folder in (root, root / "default")]
    return next((folder for folder in candidates if (folder / _TREE_FILE).is_file()), None)


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict | list | tuple):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _leaves(child, (*path, str(key)))
    elif tree is not None:
        # nnx.State writes every Variable as a branch with one leaf named value.
        yield check_name(".".join(path[:-1] if path[-1:] == ("value",) else path)), tree
