"""The `npz` renderer: every array of a result by name, and all words as JSON; opens without pickle.

Entries are named by the way to them, such as `values`, `extras/gap` or `attributions/saliency/values`.
`provenance` holds JSON; so does `about`, with everything else that is no array. Of a result of this project,
`structure` holds what `cv.load` needs to make it again.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz_jax.plugin import STRUCTURE, Provenance, RenderError, UsageError, encoded, write_entries


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
    try:
        structure, whole = encoded(result)
    except UsageError:  # a plugin's own class: its arrays can be read, but nobody here can make it again
        write_entries(path, entries)
    else:
        write_entries(path, whole | entries | {STRUCTURE: np.array(structure)})


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
