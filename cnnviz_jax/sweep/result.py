"""What the reducers found, written whole and last; `DONE.json` after everything else."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz_jax.engine.reducers import Reducer, Total
from cnnviz_jax.files import file_sha256, is_plain, write_json, write_whole
from cnnviz_jax.reading.numpy_files import NpzFile
from cnnviz_jax.sweep.errors import DamagedRunError, one_line
from cnnviz_jax.sweep.identity import part_of_run
from cnnviz_jax.sweep.layout import RunFolder
from cnnviz_jax.sweep.run_file import counts_fault, read_object
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
        manifest = folder.results / MANIFEST
        write_json(manifest, {**facts, "sha256": hashes})
        done = {name: facts[name] for name in ("fingerprint", "images", "counts")}
        write_json(folder.done, {**done, "manifest_sha256": file_sha256(manifest)})


def is_done(folder: RunFolder, run: dict[str, Any]) -> bool:
    """Return whether a run has come to its end: whether its DONE.json is there and is its own.

    Args:
        folder: The run folder.
        run: What `read_run` returned of it.

    Raises:
        DamagedRunError: There is something of that name, and it proves nothing.
    """
    if not folder.done.exists() and not folder.done.is_symlink():
        return False
    done = read_object(folder.done)
    first, stop = part_of_run(run)
    fault = counts_fault(done.get("counts"))
    if done.get("fingerprint") != run["fingerprint"]:
        fault = "it belongs to another sweep"
    elif done.get("images") != stop - first:
        fault = f"it is of {done.get('images')!r:.20} images in place of {stop - first}"
    elif not is_plain(folder.results / MANIFEST):
        fault = f"{folder.results / MANIFEST} is missing"
    elif done.get("manifest_sha256") != file_sha256(folder.results / MANIFEST):
        fault = f"{folder.results / MANIFEST} is not the one that it was written with"
    if fault is not None:
        raise DamagedRunError(
            f"{folder.done} is no proof that the run is finished: {fault}. Remove it, and the same `cnnviz sweep` "
            f"finishes the run again"
        )
    return True


def read_survey(folder: RunFolder, survey: str) -> dict[str, dict[str, np.ndarray]]:
    """Return a survey's results by layer and array; see `read_totals`."""
    return _nested(folder, f"{survey}.npz")


def read_totals(folder: RunFolder) -> dict[str, Total]:
    """Return the merged totals by reducer.

    Raises:
        DamagedRunError: The file is missing, or not the one that the manifest names.
    """
    return _nested(folder, TOTALS)


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """Return the manifest, every entry of the form in which it is written.

    Raises:
        DamagedRunError: It is missing or damaged.
    """
    path = folder.results / MANIFEST
    found = read_object(path)
    hashes, environment = found.get("sha256"), found.get("environment")
    fault = counts_fault(found.get("counts"))
    if not isinstance(hashes, dict) or not all(isinstance(each, str) for each in hashes.values()):
        fault = "no `sha256`"
    elif not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.npz", name) for name in hashes):
        fault = "it names files outside its folder"
    elif not isinstance(environment, dict) or not isinstance(found.get("bit_equality"), str):
        fault = "no `environment` or `bit_equality`"
    if fault is not None:
        raise DamagedRunError(f"{path} is damaged: {fault}")
    return found


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(arrays.items())))  # type: ignore[arg-type]  # names are data
    return buffer.getvalue()


def _nested(folder: RunFolder, name: str) -> dict[str, dict[str, np.ndarray]]:
    path = folder.results / name
    if not is_plain(path) or file_sha256(path) != read_manifest(folder)["sha256"].get(name):
        raise DamagedRunError(f"{path} is missing or damaged; `cnnviz verify` says more")
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with NpzFile(path) as archive:
            for key in archive:
                outer, _, inner = key.rpartition(_SEPARATOR)
                found.setdefault(outer, {})[inner] = archive[key]
    except (OSError, ValueError) as error:
        raise DamagedRunError(f"{path} cannot be read: {one_line(error, 120)}") from error
    return found
