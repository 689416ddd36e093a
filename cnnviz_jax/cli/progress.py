"""Progress of a command on stderr: a bar on a terminal, a line every few seconds otherwise."""

import contextlib
import sys
from collections.abc import Iterator

from cnnviz_jax.progress.bars import Progress, lines, silent, terminal_bar


@contextlib.contextmanager
def progress_on_stderr(*, quiet: bool) -> Iterator[Progress]:
    """Give a callable that shows progress while the block runs, nothing if quiet."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with terminal_bar(after_s=0) as bar:
            yield bar
    else:
        yield lines()
