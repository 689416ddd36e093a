"""What the reducers found, written whole and last; `DONE.json` after everything else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz_jax.engine.reducers import Reducer, Total
from cnnviz_jax.files import read_json, write_json, write_whole
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.step import COUNTS, STATUSES
from cnnviz_jax.sweep.store import storing

TOTALS = "totals.npz"
"""The totals as they were merged: what shards are joined from."""
MANIFEST = "manifest.json"
_SEPARATOR = "//"


def facts_of(
    run: dict[str, Any], images: int, shard: Sequence[int], totals: dict[str, Total], environment: Any, changed: str
) -> dict[str, Any]:
    """Return what the manifest says of a run: of which, how many images by status, and whether bits are promised.

    Args:
        run: What `run.json` holds.
        images: How many.
        shard: Which part of how many.
        totals: By reducer, the images by status among them.
        environment: Where it was computed; see `identity.environment`.
        changed: Where versions or devices differ, in words; empty where they do not.
    """
    return {
        "fingerprint": run["fingerprint"],
        "images": images,
        "shard": list(shard),
        "counts": {name: int(totals[COUNTS]["count"][i]) for i, name in enumerate(STATUSES) if i},
        "environment": environment,
        "bit_equality": f"not promised: versions or device {changed}" if changed else "promised",
    }


def write_results(
    folder: RunFolder, reducers: dict[str, Reducer], totals: dict[str, Total], facts: dict[str, Any]
) -> None:
    """Write one `.npz` per survey, the totals and the manifest, and then `DONE.json`.

    Raises:
        StorageError: The disk is full or failing.
    """
    with storing("the results"):
        files = {TOTALS: {f"{r}{_SEPARATOR}{n}": leaf for r, total in totals.items() for n, leaf in total.items()}}
        for key, reducer in reducers.items():
            survey, _, layer = key.partition("/")
            found = {f"{layer}{_SEPARATOR}{name}": leaf for name, leaf in reducer.finish(totals[key]).items()}
            files.setdefault(f"{survey}.npz", {}).update(found)
        # DONE.json last: where it is, everything else is whole. Members are sorted, and np.savez dates them all 1980,
        # so equal arrays are equal files.
        hashes = {}
        for name, arrays in files.items():
            data = _npz(arrays)
            write_whole(folder.results / name, data)
            hashes[name] = hashlib.sha256(data).hexdigest()
        write_json(folder.results / MANIFEST, {**facts, "sha256": hashes})
        write_json(folder.done, {name: facts[name] for name in ("fingerprint", "images", "counts")})


def read_survey(folder: RunFolder, survey: str) -> dict[str, dict[str, np.ndarray]]:
    """Return a survey's results by layer and array."""
    return _nested(folder.results / f"{survey}.npz")


def read_totals(folder: RunFolder) -> dict[str, Total]:
    """Return the merged totals by reducer."""
    return _nested(folder.results / TOTALS)


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """Return the manifest."""
    return read_json(folder.results / MANIFEST)


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(arrays.items())))  # type: ignore[arg-type]  # names are data
    return buffer.getvalue()


def _nested(path: Any) -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            outer, _, inner = key.rpartition(_SEPARATOR)
            found.setdefault(outer, {})[inner] = archive[key]
    return found
