"""Notebooks as pages: run by a kernel of their own while the documentation is built, and shown with what they print.

Notebooks are kept without outputs, so that what a page shows is what the code does today. A cell that fails fails the
build.
"""

import base64
import tempfile
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx

from cnnviz_jax.extras import require

TIMEOUT_S = 600


def executed(text: str) -> Any:
    """Return a notebook with the outputs that its cells have when they are run in an empty folder, top to bottom.

    Args:
        text: The notebook as it is kept.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell fails.
    """
    nbclient = require("nbclient", extra="docs", what="a page made of a notebook")
    nbformat = require("nbformat", extra="docs", what="a page made of a notebook")
    book = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(book, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}}).execute()
    return book


def as_page(book: Any) -> str:
    """Return an executed notebook as Markdown: its text, its code and what that printed and showed."""
    parts: list[str] = []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts += [_fenced("python", cell.source), *(_shown(output) for output in cell.outputs)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(output: Any) -> str:
    if output.output_type == "stream":
        return _fenced("text", output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        if not data["text/html"]:  # a bar that is gone
            return ""
        return _fenced("{raw} html", f'<div class="notebook-output">{data["text/html"]}</div>')
    if "image/png" in data:
        encoded = base64.b64encode(base64.b64decode(data["image/png"])).decode()
        return _fenced("{raw} html", f'<img alt="what the cell shows" src="data:image/png;base64,{encoded}">')
    return _fenced("text", data.get("text/plain", ""))


def _fenced(language: str, text: str) -> str:
    """Return a fenced block, whatever fences the text itself has; nothing for no text."""
    return f"``````{language}\n{text.rstrip()}\n``````" if text.strip() else ""


class NotebookParser(MystParser):
    """Reads a notebook, runs it, and reads the page that comes of it."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Fill the document."""
        super().parse(as_page(executed(inputstring)), document)


def setup(app: Sphinx) -> dict[str, bool]:
    """Read files of the suffix .ipynb."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True}
