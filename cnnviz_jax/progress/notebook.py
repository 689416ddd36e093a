"""Whether this process runs in a notebook, and showing HTML there; imports IPython only where it runs."""

from __future__ import annotations

import sys
from typing import Any


def in_notebook() -> bool:
    """Whether code runs in a kernel whose front end shows HTML, such as Jupyter's."""
    # A kernel has imported IPython; a shell on a terminal has too, but has no `kernel`.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def display_html(text: str) -> Any:
    """Show HTML below the cell that runs and return a handle whose `update` replaces it."""
    from IPython.display import HTML, display

    return display(HTML(text), display_id=True)


def replace_html(handle: Any, text: str) -> None:
    """Show other HTML in the place of what `display_html` showed."""
    from IPython.display import HTML

    handle.update(HTML(text))
