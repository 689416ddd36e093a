"""`cv.render`: a result in a file, written under its final name only when it is whole."""

import os
import tempfile
from pathlib import Path
from typing import Any

from cnnviz_jax.errors import RenderError
from cnnviz_jax.files import whole
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import RendererSpec


def render(result: Any, path: str | Path, *, renderer: str | None = None, **display: Any) -> Path:
    """Write `result` to `path` and return the path.

    The renderer is chosen by the file's suffix (.png, .svg, .pdf, .html, .npz and what plugins add)
    and the kind of result. The file appears under its name only when it is complete.

    Args:
        result: What `explain`, `synthesize`, `inspect`, `survey`, `measure`, `compare` or `report` returned.
        path: The file to write; an existing one is replaced.
        renderer: Name of a renderer, in place of the one the suffix chooses.
        **display: The renderer's own options, such as a colour map.

    Raises:
        RenderError: No renderer writes this result in this form, or the folder cannot be written.
    """
    path = Path(path)
    spec = renderer_for(type(result).__name__, path, renderer)
    check_writable(path)
    try:
        with whole(path) as temporary:
            load(spec.render)(result, temporary, **display)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def renderer_for(kind: str, path: Path, renderer: str | None = None) -> RendererSpec:
    """Return the renderer for this kind of result and file; can be asked before the result exists.

    Args:
        kind: Class name of the result, such as `Attribution`.
        path: The file; its suffix decides where `renderer` does not.
        renderer: Name of the renderer that was asked for.

    Raises:
        UnknownNameError: No renderer has that name.
        RenderError: None fits; those that would are listed.
    """
    manager = plugins()
    if renderer is not None:
        return manager.renderer(renderer)
    suffix = path.suffix.lower()
    specs: list[RendererSpec] = list(manager.renderers.values())
    fitting = [spec for spec in specs if suffix in spec.suffixes and (kind in spec.accepts or "*" in spec.accepts)]
    exact = [spec for spec in fitting if kind in spec.accepts] or fitting
    if len(exact) > 1:
        names = ", ".join(repr(spec.name) for spec in exact)
        raise RenderError(f"renderers {names} all write {kind} to {suffix}; say renderer=...")
    if not exact:
        usable = sorted({s for spec in specs if kind in spec.accepts or "*" in spec.accepts for s in spec.suffixes})
        raise RenderError(f"nothing writes {kind} to {path.name!r}; suffixes that work: {', '.join(usable) or 'none'}")
    return exact[0]


def check_writable(path: Path) -> None:
    """Raise `RenderError` unless a file can be created at `path`; meant for before long work."""
    folder = path.parent
    if path.is_dir():
        raise RenderError(f"{path} is a folder; name a file in it")
    if not folder.is_dir():
        raise RenderError(f"no folder {folder}; make it first")
    try:
        handle, name = tempfile.mkstemp(prefix=".cnnviz-", dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise RenderError(f"cannot write in {folder}: {error.strerror}") from error
