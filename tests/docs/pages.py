"""The pages as the tests read them: their headings and their blocks of code."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
FAMILIES = sorted((DOCS / "measures").glob("*.md"))
"""Pages that document several measures, a section each."""
WHERE_ASKED = pytest.mark.skipif(
    os.environ.get("CNNVIZ_PAGES") != "1", reason="minutes in all: CNNVIZ_PAGES=1 runs it, as .ci/run does"
)
"""For examples that a plain `pytest` leaves to the phase of `.ci/run` that runs all pages."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return the README and every page of the documentation."""
    return [CHECKOUT / "README.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return a page's path as test reports show it."""
    return str(page.relative_to(CHECKOUT))


def blocks(page: Path, language: str) -> list[Block]:
    """Return the page's blocks in that language."""
    text = page.read_text(encoding="utf-8")
    found = (Block(hit[1], hit[2], text.count("\n", 0, hit.start()) + 1) for hit in _BLOCK.finditer(text))
    return [block for block in found if block.language == language]


def headings(page: Path) -> list[str]:
    """Return the page's headings without their marks."""
    outside = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"^#+ (.+)$", outside, re.MULTILINE)


def sections(page: Path) -> dict[str, str]:
    """Return what a page says under each heading of the second level that is a name in backquotes."""
    parts = re.split(r"^## `([^`]+)`$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
