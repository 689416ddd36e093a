"""This project's docstrings, where Google's style as Sphinx reads it differs."""

import dataclasses
import re
from typing import Any

from sphinx.application import Sphinx

_BAR_OR_CODE = re.compile(r"(`[^`]*`)|\|")
_WORD = re.compile(r"(Cost|Source|Randomness):(?:\s+|$)")


def as_paragraphs(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make each `Cost`, `Source` and `Randomness` a paragraph that opens with its word, and each `Example` code."""
    shown: list[str] = []
    is_example = False
    for line in lines:
        found = _WORD.match(line)
        is_example = is_example and (not line or line.startswith(" "))
        if found:
            shown += ["", f"**{found[1]}:** {_plain(line[found.end() :])}"]
        elif line.rstrip() == "Example:":
            is_example = True
            shown += ["", "**Example:**", "", ".. code-block:: python", ""]
        else:
            shown += [line if is_example else _plain(line)]
    if what == "attribute":
        shown.insert(0, "\\ ")  # an escaped space; else napoleon takes what stands before a colon for the type
    lines[:] = shown


def _plain(line: str) -> str:
    """Return a line whose bars, as in |g|, are bars: reStructuredText takes them for a substitution."""
    return _BAR_OR_CODE.sub(lambda found: found[1] or "\\|", line)


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
