"""This project's docstrings, where Google's style as Sphinx reads it differs."""

import dataclasses
import re
from typing import Any

from sphinx.application import Sphinx

_WORD = re.compile(r"(Cost|Source|Randomness):(?:\s+|$)")


def as_paragraphs(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make each `Cost`, `Source` and `Randomness` a paragraph that opens with its word, and each `Example` code."""
    shown: list[str] = []
    for line in lines:
        found = _WORD.match(line)
        if found:
            shown += ["", f"**{found[1]}:** {line[found.end() :]}"]
        elif line.rstrip() == "Example:":
            shown += ["", "**Example:**", "", ".. code-block:: python", ""]
        else:
            shown += [line]
    if what == "attribute":
        shown.insert(0, "\\ ")  # an escaped space; else napoleon takes what stands before a colon for the type
    lines[:] = shown


def without_fields(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, None] | None:
    """Leave out the signature of a dataclass: its fields are listed below it."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(thing) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon, which reads the rest."""
    app.connect("autodoc-process-docstring", as_paragraphs, priority=400)
    app.connect("autodoc-process-signature", without_fields)
    return {"parallel_read_safe": True}
