"""The directive `command-help`: what a `cnnviz` command prints, read while the page is built.

It runs with the built-in plugins alone, in an interpreter of its own, so that a page shows what a reader sees.
"""

import os
import subprocess
import sys

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def printed(words: list[str]) -> str:
    """Return what `cnnviz WORDS` prints, 84 columns wide and without colours.

    Raises:
        RuntimeError: The command failed.
    """
    environment = {**os.environ, "COLUMNS": "84", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "cnnviz_jax.cli", "--no-plugins", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"cnnviz {' '.join(words)} failed: {done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


class CommandHelp(SphinxDirective):
    """`{command-help} explain --help`: the command and what it prints."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return one block of text."""
        words = self.arguments[0].split()
        text = f"$ cnnviz {' '.join(words)}\n{printed(words)}"
        block = nodes.literal_block(text, text)
        block["language"] = "text"
        return [block]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
