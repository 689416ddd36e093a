"""`cv.render`: a result in a file, under its final name only when it is whole."""

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
    spec = check_output(type(result).__name__, path, renderer)
    try:
        with whole(path) as temporary:
            load(spec.render)(result, temporary, **display)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def check_output(kind: str | None, path: Path, renderer: str | None = None) -> RendererSpec:
    """Return the renderer for this kind of result and file, which can be written; meant for before long work.

    Args:
        kind: Class name of the result, such as `Attribution`; `None` where it is not known yet: then any will do.
        path: The file; its suffix decides where `renderer` does not.
        renderer: Name of the renderer that was asked for.

    Raises:
        UnknownNameError: No renderer has that name.
        RenderError: None fits, and those that would are listed; or no file can be created at `path`.
    """
    spec = _renderer_for(kind, path, renderer)
    if path.is_dir():
        raise RenderError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise RenderError(f"no folder {path.parent}; make it first")
    try:
        handle, name = tempfile.mkstemp(prefix=".cnnviz-", dir=path.parent)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise RenderError(f"cannot write in {path.parent}: {error.strerror}") from error
    return spec


def _renderer_for(kind: str | None, path: Path, renderer: str | None) -> RendererSpec:
    manager = plugins()
    if renderer is not None:
        return manager.renderer(renderer)
    usable = [spec for spec in manager.renderers.values() if kind is None or {kind, "*"} & set(spec.accepts)]
    fitting = [spec for spec in usable if path.suffix.lower() in spec.suffixes]
    exact = [spec for spec in fitting if kind in spec.accepts] or fitting
    if not exact:
        asked = f"the suffix {path.suffix!r}" if path.suffix else "the file name without a suffix"
        suffixes = ", ".join(sorted({suffix for spec in usable for suffix in spec.suffixes}))
        known = f"{suffixes} can be written" if suffixes else "none is loaded"
        raise RenderError(
            f"no renderer of {kind or 'results'} for {asked} of {str(path)!r}; {known}, as `cnnviz renderers` lists"
        )
    if len(exact) > 1 and kind is not None:
        names = ", ".join(repr(spec.name) for spec in exact)
        raise RenderError(f"renderers {names} all write {kind} to {path.suffix.lower()}; say renderer=...")
    return exact[0]
