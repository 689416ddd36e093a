"""Where results go: refused before the work starts if nothing could be written there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cnnviz_jax.errors import RenderError
from cnnviz_jax.manager import Plugins


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written at the end.

    Raises:
        RenderError: The folder is missing or not writable, or the path is a folder.
    """
    if path.is_dir():
        raise RenderError(f"{str(path)!r} is a folder; give the name of a file in it")
    folder = path.parent
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise RenderError(f"cannot write {str(path)!r}: the folder {str(folder)!r} {what}; make it or choose another")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RenderError(
            f"cannot write {str(path)!r}: the folder {str(folder)!r} is not writable ({error.strerror}); choose another"
        ) from error


def check_form(path: Path, registry: Plugins, result: str | None, renderer: str | None) -> None:
    """Refuse a suffix that no renderer writes for this class of result (any, if `None`).

    Raises:
        RenderError: No renderer fits.
        UnknownNameError: The renderer that was asked for does not exist.
    """
    if renderer is not None:
        registry.renderer(renderer)
        return
    fitting = [
        spec for spec in registry.renderers.values() if result is None or result in spec.accepts or "*" in spec.accepts
    ]
    suffixes = sorted({suffix for spec in fitting for suffix in spec.suffixes})
    if path.suffix.lower() not in suffixes:
        asked = f"suffix {path.suffix!r}" if path.suffix else "file name without a suffix"
        known = f"{', '.join(suffixes)} can be written" if suffixes else "none is loaded"
        raise RenderError(f"no renderer for the {asked} of {str(path)!r}; {known}, as `cnnviz renderers` lists")
