"""`run.json`: what a run is, sealed by its own hash and read as what a stranger may have written.

The hash is no signature: who rewrites the file can make another. So every entry's form is checked as well, and what
names code or an address is for `open_run` to refuse.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from cnnviz_jax.files import is_plain, write_json
from cnnviz_jax.results.attribution import View
from cnnviz_jax.sweep.errors import DamagedRunError, FingerprintError, SweepUsageError, one_line
from cnnviz_jax.sweep.identity import fingerprint
from cnnviz_jax.sweep.layout import FORMAT, RunFolder
from cnnviz_jax.sweep.spec import SweepSpec
from cnnviz_jax.sweep.store import STATUS, ArraySpec

_LARGEST_BYTES = 64 << 20
"""Of a JSON file: that of a network of 20,000 layers is 2 MB."""
_ARRAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_HEX = re.compile(r"[0-9a-f]{64}")
_LARGEST_ROW = 1 << 28


def write_run(folder: RunFolder, content: Mapping[str, Any]) -> None:
    """Write `run.json` with its hash, once."""
    content = {name: value for name, value in content.items() if name != "sha256"}
    write_json(folder.run, {**content, "sha256": _seal(content)})


def read_run(folder: RunFolder) -> dict[str, Any]:
    """Return what `run.json` holds, every entry of the form that `write_run` was given.

    Raises:
        SweepUsageError: There is no run in the folder.
        FingerprintError: Another version of this library wrote it.
        DamagedRunError: It is not what was written.
    """
    if not is_run(folder):
        raise SweepUsageError(f"no run in {folder.root}")
    content = read_object(folder.run)
    identity = content.get("identity")
    if isinstance(identity, dict) and isinstance(identity.get("format"), int) and identity["format"] != FORMAT:
        raise FingerprintError(
            f"{folder.root} was written by another version of cnnviz_jax, in format {identity['format']}; this one "
            f"reads and writes format {FORMAT}. Use another folder, or --restart"
        )
    fault = _fault(content)
    if fault is not None:
        raise DamagedRunError(
            f"{folder.run} is damaged or was edited: {fault}. Bring it back from a copy, or --restart"
        )
    return content


def is_run(folder: RunFolder) -> bool:
    """Return whether something of the name `run.json` lies in a folder."""
    return _is_there(folder.run)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file of a run folder holds.

    Raises:
        DamagedRunError: It is missing, no file, far too large, or no JSON object.
    """
    if not is_plain(path):
        raise DamagedRunError(f"{path} is {'no file' if _is_there(path) else 'missing'}")
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DamagedRunError(f"{path} is damaged: it has {path.stat().st_size:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = "it is empty" if path.stat().st_size == 0 else f"it is no JSON ({one_line(error, 80)})"
        raise DamagedRunError(f"{path} is damaged: {why}") from error
    if not isinstance(content, dict):
        raise DamagedRunError(f"{path} is damaged: it holds a {type(content).__name__} in place of an object")
    return content


def arrays_of(run: dict[str, Any]) -> dict[str, ArraySpec]:
    """Return what is stored of one example, by name, from what `read_run` returned."""
    return {name: ArraySpec(tuple(shape), dtype) for name, (shape, dtype) in run["arrays"].items()}


def counts_fault(content: Any) -> str | None:
    """Return what is wrong with counts of images by status, as the manifest and DONE.json have them."""
    if not isinstance(content, dict) or set(content) != {"ok", "unreadable", "nonfinite"}:
        return "`counts` are not those of ok, unreadable and nonfinite"
    return None if all(map(_is_count, content.values())) else "`counts` are no whole numbers"


def _seal(content: Mapping[str, Any]) -> str:
    text = json.dumps({name: value for name, value in content.items() if name != "sha256"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _fault(content: dict[str, Any]) -> str | None:
    """Return what is wrong with `run.json`, its hash first."""
    if content.get("sha256") != _seal(content):
        return "its SHA-256 is not the one in it"
    forms = (_identity_fault, _shard_fault, _arrays_fault, _spec_fault, _rest_fault)
    return next((fault for form in forms if (fault := form(content)) is not None), None)


def _identity_fault(content: dict[str, Any]) -> str | None:
    identity = content.get("identity")
    if not isinstance(identity, dict):
        return "no `identity`"
    if content.get("fingerprint") != fingerprint(identity):
        return "its fingerprint is not that of its identity"
    if not (_is_count(identity.get("images")) and 1 <= identity["images"] < 2**32):
        return f"`images` is {identity.get('images')!r:.40}"
    if not (_is_count(identity.get("device_batch")) and 1 <= identity["device_batch"] <= 2**20):
        return f"`device_batch` is {identity.get('device_batch')!r:.40}"
    for name in ("weights_sha256", "source_digest", "model"):
        if not isinstance(identity.get(name), str):
            return f"no `{name}`"
    taken = identity.get("preprocess")
    shape = taken.get("input_shape") if isinstance(taken, dict) else None
    if not isinstance(shape, list) or not _is_shape(shape) or len(shape) != 3 or 0 in shape:
        return "no `input_shape`"
    return None


def _shard_fault(content: dict[str, Any]) -> str | None:
    shard = content.get("shard")
    if not isinstance(shard, list) or len(shard) != 2 or not all(map(_is_count, shard)) or not shard[0] < shard[1]:
        return f"`shard` is {shard!r:.40}"
    return None


def _arrays_fault(content: dict[str, Any]) -> str | None:
    arrays = content.get("arrays")
    if not isinstance(arrays, dict) or arrays.get(STATUS) != [[], "uint8"]:
        return "no `arrays`, or none of statuses"
    for name, found in arrays.items():
        if not _ARRAY.fullmatch(name):
            return f"an array is called {name!r:.40}"
        if not isinstance(found, list) or len(found) != 2 or not _is_shape(found[0]) or not _is_number(found[1]):
            return f"the array {name!r:.40} is described as {found!r:.40}"
        if math.prod(found[0]) * np.dtype(found[1]).itemsize > _LARGEST_ROW:
            return f"a row of the array {name!r:.40} would have {math.prod(found[0])} numbers"
    return None


def _spec_fault(content: dict[str, Any]) -> str | None:
    try:
        SweepSpec.from_mapping(content["spec"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return f"its specification is none ({one_line(error, 120)})"
    return None


def _rest_fault(content: dict[str, Any]) -> str | None:
    views, labels, environment = (content.get(name) for name in ("views", "labels", "environment"))
    if not isinstance(views, dict) or not all(view in get_args(View) for view in views.values()):
        return "no `views`"
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "no `labels`"
    versions = environment.get("versions") if isinstance(environment, dict) else None
    if not isinstance(versions, dict) or not all(isinstance(version, str) for version in versions.values()):
        return "no `environment`"
    if not isinstance(content.get("started_in", ""), str):  # runs of earlier versions have none
        return "no folder `started_in`"
    missing = [part.name for part in SweepSpec.from_mapping(content["spec"]).explain if part.name not in views]
    return f"`views` lack {missing[0]!r:.40}" if missing else None


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 8 and all(map(_is_count, value))


def _is_number(value: Any) -> bool:
    return value in ("bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32")
