"""Sections of this project's docstrings that Google's style does not know: `Cost`, `Source`, `Randomness`."""

import re
from typing import Any

from sphinx.application import Sphinx

_WORD = re.compile(r"(Cost|Source|Randomness):(?:\s+|$)")


def as_paragraphs(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make each such section a paragraph of its own that opens with its word, in place."""
    shown: list[str] = []
    for line in lines:
        found = _WORD.match(line)
        shown += ["", f"**{found[1]}:** {line[found.end() :]}"] if found else [line]
    lines[:] = shown


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon, which reads the rest."""
    app.connect("autodoc-process-docstring", as_paragraphs, priority=400)
    return {"parallel_read_safe": True}
