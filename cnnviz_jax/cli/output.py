"""The end of a run: the file in its place, its warnings on stderr, and one line that says where it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnnviz_jax.cli.global_options import Settings
from cnnviz_jax.cli.progress import duration


def write_result(result: Any, path: Path, *, renderer: str | None, started_s: float, settings: Settings) -> None:
    """Render a result to its file and announce it.

    Args:
        result: What a technique returned.
        path: The file to write.
        renderer: The renderer that was asked for, if any.
        started_s: `time.monotonic()` when the command began.
        settings: Says whether to be quiet.
    """
    import cnnviz_jax as cv

    cv.render(result, path, renderer=renderer)
    announce(path, getattr(result, "warnings", ()), started_s=started_s, settings=settings)


def announce(path: Path, warnings: Sequence[str], *, started_s: float, settings: Settings) -> None:
    """Print the warnings of a result and where it was written."""
    if settings.quiet:
        return
    for warning in dict.fromkeys(warnings):
        print(f"cnnviz: warning: {warning}", file=sys.stderr)
    print(f"wrote {path} in {duration(time.monotonic() - started_s)}")
