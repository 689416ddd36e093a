"""What stands below the fields of a dataclass: Python keeps no such docstrings, its source has them. Light."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing
from typing import Any


def field_docs(declared: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, inherited ones first, on one line."""
    docs: dict[str, str] = {}
    for each in reversed(declared.__mro__):
        if dataclasses.is_dataclass(each):
            docs |= _own_docs(each)
    return docs


def _own_docs(declared: type) -> dict[str, str]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(declared))).body
    docs = {}
    for field, text in itertools.pairwise(body.body):  # type: ignore[attr-defined]
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            docs[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return docs


def options_text(declared: type) -> str:
    """Return every field of a dataclass with its type, its default and its docstring, as a docstring lists them."""
    docs, lines = field_docs(declared), []
    for field, hint in options_of(declared).items():
        default = field.default
        shown = "" if default is dataclasses.MISSING else f" = {default!r}"
        words = textwrap.fill(docs.get(field.name, ""), 100, initial_indent=" " * 8, subsequent_indent=" " * 8)
        lines.append(f"    {field.name}: {hint}{shown}\n{words}".rstrip())
    return "\n".join(lines)


def options_of(declared: type) -> dict[dataclasses.Field[Any], str]:
    """Return the fields that a caller may give, with their types as they are written."""
    hints = typing.get_type_hints(declared)
    return {each: type_text(hints[each.name]) for each in dataclasses.fields(declared) if each.init}


def type_text(hint: Any) -> str:
    """Return a type as source: `int | tuple[int, int] | None`, `Literal['full', 'truncate']`."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "None"
    if hint is Ellipsis:
        return "..."
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    if origin is tuple:
        return f"tuple[{', '.join(map(type_text, parts))}]"
    if parts:
        return " | ".join(map(type_text, parts))
    return str(hint.__name__)
