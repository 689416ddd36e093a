"""Options by keyword into a technique's config, checked before any work begins."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal

from typeguard import TypeCheckError, check_type

from cnnviz_jax.errors import UsageError, did_you_mean
from cnnviz_jax.options.arrays import GivenArray
from cnnviz_jax.options.checks import in_short
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.configs import TechniqueConfig
from cnnviz_jax.plugins.specs import CollectionSpec, Kind, LauncherSpec, TechniqueSpec


def technique_and_config(technique: Any, kind: Kind, options: dict[str, Any]) -> tuple[TechniqueSpec, Any]:
    """Return the technique's record and its config made from `options`.

    Args:
        technique: Its name, its record, or a config, whose options those in `options` come before.
        kind: What it is to do.
        options: By name.

    Raises:
        UnknownNameError: No technique of that kind has this name.
        UsageError: The record is of another kind, an option does not exist or its value is not allowed.
    """
    if isinstance(technique, type) and issubclass(technique, TechniqueConfig):
        name = technique.__technique__.name
        raise UsageError(f"the first argument is the class of {name!r}; write its options in brackets, or none: ()")
    if isinstance(technique, TechniqueConfig):
        options = {**options_in(technique), **options}
        technique = type(technique).__technique__
    if isinstance(technique, TechniqueSpec):
        if technique.kind != kind:
            raise UsageError(f"{technique.name} is a technique to {technique.kind} with, not to {kind} with")
        return technique, config_from(technique, options)
    if not isinstance(technique, str):
        raise UsageError(f"the first argument names a technique, got {type(technique).__name__}")
    spec = plugins().technique(technique, kind)
    return spec, config_from(spec, options)


def names_of_options(technique: Any, kind: Kind) -> frozenset[str]:
    """Return the names of a technique's options, whatever it is given by; none where it is no technique.

    Raises:
        UnknownNameError: No technique of that kind has this name.
    """
    if isinstance(technique, str):
        technique = plugins().technique(technique, kind)
    spec = technique if isinstance(technique, TechniqueSpec) else getattr(technique, "__technique__", None)
    return frozenset(each.name for each in dataclasses.fields(spec.config)) if spec is not None else frozenset()


def options_in(config: TechniqueConfig) -> dict[str, Any]:
    """Return the options of a config by name."""
    fields = dataclasses.fields(config)  # type: ignore[arg-type]  # every config is a dataclass
    return {field.name: getattr(config, field.name) for field in fields if field.init}


def name_of(technique: str | TechniqueSpec | TechniqueConfig) -> str:
    """Return the technique's name."""
    if isinstance(technique, TechniqueConfig):
        technique = type(technique).__technique__
    return technique.name if isinstance(technique, TechniqueSpec) else technique


def config_from(spec: TechniqueSpec | LauncherSpec | CollectionSpec, options: dict[str, Any]) -> Any:
    """Return `spec.config(**options)`, checked; lists become tuples, and mappings texts such as `conv3=31,5; conv1=2`.

    Raises:
        UsageError: An option does not exist, is missing, or its value is not one of those allowed.
    """
    known = {field.name for field in dataclasses.fields(spec.config)}
    for option in options:
        if option not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise UsageError(f"{spec.name} has no option {option!r}.{did_you_mean(option, known)} It has: {listed}")
    hints = typing.get_type_hints(spec.config)
    values = {option: _as_option(option, value, hints[option]) for option, value in options.items()}
    for option, value in values.items():
        if not _fits(value, hints[option]):
            shown = in_short(options[option])
            raise UsageError(f"{spec.name}: {option} is {_in_words(hints[option])}, got {shown}")
    try:
        return spec.config(**values)
    except TypeError as error:
        raise UsageError(f"{spec.name}: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    try:
        check_type(value, hint)
    except TypeCheckError:
        return False
    return True


def _as_option(option: str, value: Any, hint: Any) -> Any:
    """Return a value as configs hold it: plain, or an array of two and more axes by its shape and digest."""
    if isinstance(value, GivenArray):
        return value
    if isinstance(value, str):
        return GivenArray.read(value, option) or value
    if hasattr(value, "shape") and len(value.shape) > 1 and _fits(GivenArray(), hint):
        # A mask of parts is an array of whole numbers that its config takes as nested tuples.
        plain = _plain(value) if str(value.dtype).startswith(("int", "uint", "bool")) else None
        return plain if plain is not None and _fits(plain, hint) else _array_option(value, option)
    is_nested = isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple)
    plain = _plain(value)
    if is_nested and not _fits(plain, hint) and _fits(GivenArray(), hint) and _is_of_numbers(plain):
        return _array_option(value, option)
    return plain


def _is_of_numbers(value: tuple[Any, ...]) -> bool:
    """Return whether nested tuples hold floating-point numbers, in rows of equal length."""
    import numpy as np  # the command line builds configs from words, without it

    try:
        return np.asarray(value).dtype.kind == "f"
    except ValueError:  # rows of different lengths
        return False


def _array_option(array: Any, option: str) -> GivenArray:
    """Return an array of numbers as an option.

    Raises:
        UsageError: It does not hold finite floating-point numbers.
    """
    import numpy as np

    numbers = np.asarray(array)
    if numbers.dtype.kind != "f" and numbers.dtype.name != "bfloat16":
        raise UsageError(f"{option} is an array of {numbers.dtype}; its numbers are floating, as images in [0, 1]")
    numbers = np.ascontiguousarray(numbers, np.float32)
    if not np.isfinite(numbers).all():
        raise UsageError(f"{option} is an array with values that are not finite")
    return GivenArray.of(numbers, option)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return (_text_of(value),)
    if isinstance(value, list | tuple):
        return tuple(_text_of(each) if isinstance(each, Mapping) else _plain(each) for each in value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return _plain(value.tolist()) if hasattr(value, "tolist") else value


def _text_of(table: Mapping[str, Any]) -> str:
    """Return a mapping as the command line writes it: `conv3=31,5; conv1=2`."""
    return "; ".join(f"{name}={','.join(map(str, _listed(value)))}" for name, value in table.items())


def _listed(value: Any) -> list[Any]:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return list(plain) if isinstance(plain, list | tuple) else [plain]


def _in_words(hint: Any) -> str:
    """Return what `hint` allows, such as `one of 'full', 'truncate'` or `int or None`."""
    parts = [hint] if typing.get_origin(hint) in (Literal, tuple, None) else list(typing.get_args(hint))
    words = [repr(word) for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    others = [part for part in parts if typing.get_origin(part) is not Literal]
    names = ["None" if part is type(None) else getattr(part, "__name__", str(part)) for part in others]
    names = [str(part) if typing.get_origin(part) is tuple else name for part, name in zip(others, names, strict=True)]
    return " or ".join([*(["one of " + ", ".join(words)] if words else []), *names])
