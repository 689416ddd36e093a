"""Reads Orbax checkpoint folders, as Flax users save them, without knowing the tree beforehand.

Three layouts are met in the wild: the folder of one saved tree, a `CheckpointManager` step that
keeps the tree in `default/`, and the manager's root, whose subfolders are step numbers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import Shaped

from cnnviz_jax.plugin import WeightsError, require

_TREE_FILE = "_METADATA"


def read_orbax(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of an Orbax checkpoint, their tree paths joined by dots; of several steps the newest.

    Raises:
        WeightsError: The folder holds no Orbax checkpoint, or a damaged one.
    """
    folder = _tree_folder(path)
    if folder is None:
        raise WeightsError(
            f"{str(path)!r} is a folder but no Orbax checkpoint: neither it nor its newest step has a {_TREE_FILE}"
        )
    # Orbax brings tensorstore today, but does not promise to; declared it is only in the extra `sweep`.
    tensorstore = require("tensorstore", what=f"the Orbax checkpoint {str(path)!r}")
    try:
        _read_through(folder, tensorstore)
        with ocp.PyTreeCheckpointer() as checkpointer:
            tree = checkpointer.metadata(folder.absolute()).item_metadata.tree
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            restored = checkpointer.restore(folder.absolute(), restore_args=as_numpy)
    except Exception as error:  # Orbax lets errors of its many storage layers through as they are
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(f"the Orbax checkpoint {str(path)!r} is damaged: {reason[0]}") from error
    arrays = dict(_leaves(restored, ()))
    if not arrays:
        raise WeightsError(f"the Orbax checkpoint {str(path)!r} holds no arrays")
    return arrays


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


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Shaped[np.ndarray, "..."]]]:
    if isinstance(tree, dict | list | tuple):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _leaves(child, (*path, str(key)))
    elif tree is not None:
        # nnx.State writes every Variable as a branch with one leaf named value.
        yield ".".join(path[:-1] if path[-1:] == ("value",) else path), np.asarray(tree)
