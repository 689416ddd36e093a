"""A result as arrays by name and a plain structure for JSON, and back.

In the structure `null`, true, false, numbers and texts are themselves; a list is a list; every other value is an object
with one tag: `array`, `tuple`, `dict`, `class`, `config`. An array's name is the way to it, such as `extras/gap`.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
from jaxtyping import jaxtyped
from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from cnnviz_jax.archive.classes import storable
from cnnviz_jax.errors import ResultFileError, UsageError, printable, reason_of
from cnnviz_jax.options.arrays import GivenArray
from cnnviz_jax.options.building import config_from
from cnnviz_jax.plugins import plugins
from cnnviz_jax.results.provenance import Provenance, Unstored
from cnnviz_jax.results.result import Result

STRUCTURE = "structure"
"""The name of the JSON text among the arrays."""
FORMAT = 1
"""Grows when older versions could not read what is written."""
_OF_RESULTS = "cnnviz_jax.results."


class _NotStorableError(Exception):
    """A value that only its own process can hold, such as a function."""


def encoded(result: Result) -> tuple[str, dict[str, np.ndarray]]:
    """Return the structure as JSON, and the arrays by name.

    A target that holds a function of the user's is kept as its words.

    Raises:
        UsageError: It is no result of this package, or a part of it cannot be stored.
    """
    kind = type(result).__name__
    if storable().get(kind) is not type(result) or not isinstance(result, Result):
        raise UsageError(f"results of cnnviz_jax can be stored, got a {type(result).__module__}.{kind}")
    arrays: dict[str, np.ndarray] = {}
    try:
        structure = _encode(result, "", arrays)
    except _NotStorableError as error:
        raise UsageError(f"this {kind} cannot be stored: {error}") from error
    return json.dumps({"format": FORMAT, "result": structure}, ensure_ascii=False), arrays


def decoded(structure: str, arrays: Mapping[str, np.ndarray], where: str) -> Result:
    """Return the result that `encoded` took apart.

    Args:
        structure: The JSON text.
        arrays: By name; each is read when it is needed.
        where: The file, for errors.

    Raises:
        ResultFileError: It is not what `encoded` writes, or what a later version wrote.
    """
    try:
        found = json.loads(structure)
        if found["format"] > FORMAT:
            raise ResultFileError(f"{where} was written by a later version of cnnviz_jax; update it to read the file")
        result = _decode(found["result"], arrays)
    except ResultFileError as error:
        raise ResultFileError(f"{where}: {error}") if not str(error).startswith(where) else error from error
    except Exception as error:  # whatever a stranger's values make the classes raise
        raise ResultFileError(
            f"{where} does not hold a whole result: {type(error).__name__}: {reason_of(error)}"
        ) from error
    if not isinstance(result, Result):
        raise ResultFileError(f"{where} holds a {type(result).__name__}, which is no result")
    return result


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, GivenArray):
        return str(value)
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "__array__"):
        return _encode_array(value, name, arrays)
    if isinstance(value, list):
        return [_encode(each, f"{name}/{k}", arrays) for k, each in enumerate(value)]
    if isinstance(value, Mapping):
        pairs = [[_encode(key, name, arrays), _encode(each, f"{name}/{key}", arrays)] for key, each in value.items()]
        return {"dict": pairs}
    kind = type(value).__name__
    if storable().get(kind) is not type(value):
        if isinstance(value, tuple):
            return {"tuple": [_encode(each, f"{name}/{k}", arrays) for k, each in enumerate(value)]}
        raise _NotStorableError(f"{name} is a {type(value).__module__}.{kind}")
    if isinstance(value, Fraction):
        return {"class": kind, "fields": {"numerator": value.numerator, "denominator": value.denominator}}
    fields = {}
    for field in _fields(value):
        one = getattr(value, field)
        place = f"{name}/{field}" if name else field
        if isinstance(value, Provenance) and field == "config":
            fields[field] = _encode_config(value.technique, one, place, arrays)
        elif field in ("target", "arguments"):
            fields[field] = _or_words(one, place, arrays)
        else:
            fields[field] = _encode(one, place, arrays)
    return {"class": kind, "fields": fields}


def _fields(value: Any) -> list[str]:
    """Return the names of what a class of `storable` is made of."""
    if dataclasses.is_dataclass(value):
        return [each.name for each in dataclasses.fields(value) if each.init]
    return list(value._fields)  # a named tuple


def _or_words(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return the value encoded, or, of what only its process can hold, the words for it."""
    if isinstance(value, Mapping):
        return {"dict": [[key, _or_words(each, f"{name}/{key}", arrays)] for key, each in value.items()]}
    apart: dict[str, np.ndarray] = {}
    try:
        found = _encode(value, name, apart)
    except _NotStorableError:
        return _encode(Unstored(what=repr(value)[:200]), name, arrays)
    arrays.update(apart)
    return found


def _encode_array(value: Any, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    array = np.asarray(value)
    tag: dict[str, Any] = {"array": name}
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and its like, which NumPy's files do not know
        tag["dtype"] = array.dtype.name
        array = array.astype(np.float32)  # exact: all of them are narrower
    if array.dtype.kind not in "biufcU":
        raise _NotStorableError(f"{name} is an array of {array.dtype}")
    if isinstance(value, np.generic):
        tag["scalar"] = True
    arrays[name] = array
    return tag


def _encode_config(technique: str, config: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a technique's config as its name and options: its class is the plugin's, which makes it anew."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return _encode(config, name, arrays)
    options = {each.name: getattr(config, each.name) for each in dataclasses.fields(config) if each.init}
    return {"config": technique, "options": _encode(options, name, arrays)}


def _decode(found: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(found, list):
        return [_decode(each, arrays) for each in found]
    if not isinstance(found, dict):
        return found
    if "array" in found:
        array = arrays[found["array"]]
        if "dtype" in found:
            array = array.astype(np.dtype(getattr(ml_dtypes, found["dtype"])))
        return array[()] if found.get("scalar") else array
    if "tuple" in found:
        return tuple(_decode(each, arrays) for each in found["tuple"])
    if "dict" in found:
        return {_decode(key, arrays): _decode(each, arrays) for key, each in found["dict"]}
    if "config" in found:
        return _decode_config(found["config"], _decode(found["options"], arrays))
    kind = found["class"]
    if kind not in storable():
        raise ResultFileError(f"the file names a class {printable(repr(kind))}, which no result holds")
    made = storable()[kind](**{name: _decode(each, arrays) for name, each in found["fields"].items()})
    if isinstance(made, Result) or type(made).__module__.startswith(_OF_RESULTS):  # targets hold numbers of any kind
        _check_fields(made)
    return made


def _check_fields(made: Any) -> None:
    """Refuse a value that its class never holds: readers of results rely on what fields are said to be."""
    with jaxtyped("context"):  # an axis of one name has one length in all fields
        for name, hint in typing.get_type_hints(type(made)).items():
            # Whatever a target or an argument was: a function of the user's came back as its words.
            if name in _fields(made) and name not in ("target", "arguments", "config"):
                try:
                    check_type(getattr(made, name), hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
                except TypeCheckError as error:
                    reason = f"`{name}` of a {type(made).__name__} is no such thing: {reason_of(error)}"
                    raise ResultFileError(reason) from error


def _decode_config(technique: str, options: dict[str, Any]) -> Any:
    """Return the config as the plugin makes it; the options as a dict where the technique is not installed."""
    spec = plugins().techniques.get(technique)
    if spec is None:
        return options
    try:
        return config_from(spec, options)
    except UsageError:  # written by another version of the plugin, whose options were others
        return options
