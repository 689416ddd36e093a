"""The `npz` renderer: every array of a result by name, and all words as JSON; opens without pickle.

Entries are named by the way to them, such as `values`, `extras/gap` or `attributions/saliency/values`.
`provenance` holds JSON; so does `about`, with everything else that is no array.
"""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.plugin import Provenance, RenderError, UsageError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold: equal results give equal bytes


def render(result: Any, path: Path, **display: Any) -> None:
    """Write the arrays and words of any result to `path`.

    Args:
        result: Any dataclass of arrays, words, dicts and tuples.
        path: The file to write.
        **display: None: raw numbers have no display.

    Raises:
        UsageError: An option is given.
        RenderError: The result is not a dataclass.
    """
    if display:
        raise UsageError(f"no display option {next(iter(display))!r} here: an archive holds raw numbers and takes none")
    arrays, about = parts(result)
    provenance = about.pop("provenance", None) or {
        name.removesuffix("/provenance"): about.pop(name) for name in list(about) if name.endswith("/provenance")
    }
    texts = {"provenance": provenance, "about": {"result": type(result).__name__, **about}}
    entries = arrays | {name: np.array(json.dumps(words, ensure_ascii=False)) for name, words in texts.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in entries.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def parts(result: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the words of a result, each by the way to it.

    Raises:
        RenderError: The result is not a dataclass.
    """
    if not dataclasses.is_dataclass(result) or isinstance(result, type):
        raise RenderError(f"no archive of {type(result).__name__}; results are dataclasses")
    arrays: dict[str, np.ndarray] = {}
    words: dict[str, Any] = {}
    for field in dataclasses.fields(result):
        _collect(field.name, getattr(result, field.name), arrays, words)
    return arrays, words


def _collect(name: str, value: Any, arrays: dict[str, np.ndarray], words: dict[str, Any]) -> None:
    if isinstance(value, Provenance):
        words[name] = value.as_dict()
    elif hasattr(value, "__array__"):
        _take(name, np.asarray(value), arrays, words)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        words[f"{name}/type"] = type(value).__name__
        for field in dataclasses.fields(value):
            _collect(f"{name}/{field.name}", getattr(value, field.name), arrays, words)
    elif isinstance(value, dict):
        for key, one in value.items():
            _collect(f"{name}/{key}", one, arrays, words)
    elif isinstance(value, list | tuple) and any(_is_deep(one) for one in value):
        for k, one in enumerate(value):
            _collect(f"{name}/{k}", one, arrays, words)
    else:
        words[name] = json.loads(json.dumps(value, default=str))


def _take(name: str, array: np.ndarray, arrays: dict[str, np.ndarray], words: dict[str, Any]) -> None:
    if array.dtype.kind in "biufcU":
        arrays[name] = array
    elif array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and its like, which NumPy alone cannot read
        arrays[name] = array.astype(np.float32)
        words[f"{name}/dtype"] = str(array.dtype)
    else:
        words[name] = json.loads(json.dumps(array.tolist(), default=str))


def _is_deep(value: Any) -> bool:
    return hasattr(value, "__array__") or isinstance(value, dict) or dataclasses.is_dataclass(value)
