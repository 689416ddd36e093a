"""Parts by name: `pad(12, 0.5), jitter(8)` as frozen dataclasses, the built-in ones and those of any package.

A word is a built-in part's name, or `package.module:Class` for one of your own. Light: imports nothing heavy
until a part is looked up.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cnnviz_jax.plugin import UsageError, call_of, did_you_mean, import_factory


def parts(text: str, sort: str, known: dict[str, type]) -> tuple[Any, ...]:
    """Return the parts that a text such as `pad(12, 0.5), jitter(8)` names, in order; `none` names no part.

    Args:
        text: Names with arguments, joined by commas.
        sort: What they are, for errors, such as `transform`.
        known: The built-in ones by name.

    Raises:
        UsageError: A name or argument does not exist, or a value is refused.
    """
    if text.strip().lower() in ("", "none"):
        return ()
    return tuple(part(each, sort, known) for each in _split(text, sort))


def part(text: str, sort: str, known: dict[str, type]) -> Any:
    """Return the one part that a text such as `adam(0.05)` names.

    Raises:
        UsageError: The name or an argument does not exist, or a value is refused.
    """
    try:
        name, values, named = call_of(text)
    except ValueError as error:
        raise UsageError(f"{sort} {text.strip()!r} cannot be read: {error}") from error
    kind = _imported(name, sort) if ":" in name else known.get(name.replace("_", "-"))
    if kind is None:
        listed = ", ".join(known)
        raise UsageError(f"no {sort} {name!r}.{did_you_mean(name, known)} There are {listed}, and package.module:Class")
    try:
        return kind(*values, **named)
    except UsageError:
        raise
    except (ValueError, TypeError) as error:
        fields = ", ".join(f"{f.name}={f.default!r}" for f in dataclasses.fields(kind))
        raise UsageError(f"{sort} {text.strip()!r} cannot be read: {error}; it is {name}({fields})") from error


def _split(text: str, sort: str) -> list[str]:
    """Split at commas outside of brackets."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
    if depth:
        raise UsageError(f"{sort} {text!r} has a bracket without its partner")
    return [each for each in (*found, text[start:]) if each.strip()]


def _imported(name: str, sort: str) -> type:
    kind: Any = import_factory(name, sort)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise UsageError(f"{sort} {name!r} is no frozen dataclass")
    found: type = kind
    return found
