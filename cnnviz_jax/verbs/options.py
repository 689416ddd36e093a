"""Options by keyword into a technique's config, checked before any work begins."""

import dataclasses
import typing
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from cnnviz_jax.errors import UsageError, did_you_mean
from cnnviz_jax.manager import plugins
from cnnviz_jax.records import Kind, TechniqueSpec


def technique_and_config(name: str, kind: Kind, options: dict[str, Any]) -> tuple[TechniqueSpec, Any]:
    """Return the technique's record and its config made from `options`.

    Raises:
        UnknownNameError: No technique of that kind has this name.
        UsageError: An option does not exist or its value is not allowed.
    """
    spec = plugins().technique(name, kind)
    return spec, config_from(spec, options)


def config_from(spec: TechniqueSpec, options: dict[str, Any]) -> Any:
    """Return `spec.config(**options)`; lists become tuples, literals are checked.

    Raises:
        UsageError: An option does not exist, is missing, or its value is not one of those allowed.
    """
    known = {field.name for field in dataclasses.fields(spec.config)}
    for option in options:
        if option not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise UsageError(f"{spec.name} has no option {option!r}.{did_you_mean(option, known)} It has: {listed}")
    hints = typing.get_type_hints(spec.config)
    values = {option: _plain(value) for option, value in options.items()}
    for option, value in values.items():
        allowed = _literals(hints[option])
        if allowed and isinstance(value, str) and value not in allowed:
            shown = ", ".join(repr(each) for each in allowed)
            raise UsageError(f"{spec.name}: {option} is one of {shown}, got {value!r}")
    try:
        return spec.config(**values)
    except TypeError as error:
        raise UsageError(f"{spec.name}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_plain(each) for each in value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return tuple(value.tolist()) if hasattr(value, "tolist") else value


def _literals(hint: Any) -> tuple[Any, ...]:
    """Return the allowed words where `hint` allows only words (and None), else nothing."""
    parts = typing.get_args(hint) if typing.get_origin(hint) is not Literal else (hint,)
    parts = parts or (hint,)
    words: list[Any] = []
    for part in parts:
        if typing.get_origin(part) is Literal:
            words += typing.get_args(part)
        elif part is str:
            return ()
    return tuple(words)


def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions that decide numbers, by distribution."""
    found = []
    for name in ("cnnviz-jax", "jax", "jaxlib", "flax", "optax", "numpy"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "source tree" if name == "cnnviz-jax" else "absent"))
    return tuple(found)
