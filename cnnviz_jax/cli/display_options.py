"""The options of a line that say how a result is shown: the fields of what its renderer declares."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal

from cnnviz_jax.cli.technique_options import Common
from cnnviz_jax.errors import UsageError, did_you_mean
from cnnviz_jax.options.docs import field_docs
from cnnviz_jax.plugins.rendering import display_classes


def display_options(kind: str | None) -> tuple[Common, ...]:
    """Return the display options for results of that class name; none where the class is not known."""
    found: dict[str, Common] = {}
    for declared in display_classes(kind) if kind else ():
        docs, hints = field_docs(declared), typing.get_type_hints(declared)
        for field in dataclasses.fields(declared):
            if field.name in found:  # several renderers have it
                continue
            words = _words(hints[field.name])
            takes = "|".join(words) if words else field.name.upper()
            default = "" if field.default == "" else f" (default: {field.default})"
            found[field.name] = Common(field.name, takes, f"display: {docs[field.name]}{default}")
    return tuple(found.values())


def given_display(kind: str | None, given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the display options that a line gave, as values of their types.

    Raises:
        UsageError: A number or a word is none of those allowed; other faults are the renderer's to tell.
    """
    found: dict[str, Any] = {}
    for declared in display_classes(kind) if kind else ():
        hints = typing.get_type_hints(declared)
        for field in dataclasses.fields(declared):
            text = given.get(field.name)
            if text is not None:
                found[field.name] = _value(field.name, text, hints[field.name])
    return found


def _words(hint: Any) -> list[str]:
    """Return the words of a list of words, those of its parts too."""
    parts = (hint, *typing.get_args(hint))
    return [str(word) for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]


def _value(name: str, text: str, hint: Any) -> Any:
    words = _words(hint)
    if words and text not in words:
        raise UsageError(f"--{name} is one of {', '.join(words)}, got {text!r}.{did_you_mean(text, words)}".rstrip("."))
    if hint not in (int, float):
        return text
    try:
        return hint(text)
    except ValueError as error:
        raise UsageError(f"--{name} is {'a whole number' if hint is int else 'a number'}, got {text!r}") from error
