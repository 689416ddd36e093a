"""How a command imports matplotlib: without the tables of properties that it writes into its docstrings."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def without_tables_in_docstrings() -> Iterator[None]:
    """Let what matplotlib defines in the block list in no docstring which properties can be set.

    Each of its hundred classes of things to draw gets such a table when it is defined, 0.05 of the import's 0.32 CPU
    seconds, and a command that writes a figure and ends shows none.
    """
    from matplotlib import artist

    listed = artist.kwdoc
    artist.kwdoc = lambda artist: ""
    try:
        yield
    finally:
        artist.kwdoc = listed
