"""`cv.render`: a result in a file, under its final name only when it is whole."""

from pathlib import Path
from typing import Any, Unpack

from cnnviz_jax.errors import PluginError, RenderError
from cnnviz_jax.files import check_writable, whole
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.display_options import DisplayOptions
from cnnviz_jax.plugins.foreign import code_of, title_of
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.rendering import kind_of, renderer_for
from cnnviz_jax.plugins.specs import RendererSpec


def render(result: Any, path: str | Path, *, renderer: str | None = None, **display: Unpack[DisplayOptions]) -> Path:
    """Write `result`, or several in one figure, to `path` and return the path.

    The renderer is chosen by the file's suffix (.png, .svg, .pdf, .html, .npz and what plugins add)
    and the kind of result. The file appears under its name only when it is complete.

    Args:
        result: What `explain`, `synthesize`, `inspect`, `survey`, `measure`, `compare` or `report` returned; or a list
            of attributions, which stand side by side: images down, techniques across.
        path: The file to write; an existing one is replaced.
        renderer: Name of a renderer, in place of the one the suffix chooses.
        **display: The renderer's own options, such as `colormap`, `scale`, `title` and `dpi`.

    Raises:
        RenderError: No renderer writes this result in this form, or the folder cannot be written.
    """
    path = Path(path)
    kind, many = kind_of(result)
    spec = check_output(kind, path, renderer, many=many)
    if many:
        result = tuple(result)
    try:
        with whole(path) as temporary:
            with code_of(plugins(), "renderer", spec, passing=(OSError,)):
                load(spec.render)(result, temporary, **display)
            if not temporary.is_file():
                raise PluginError(f"{title_of(plugins(), 'renderer', spec)} wrote no file")
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def check_output(kind: str | None, path: Path, renderer: str | None = None, *, many: bool = False) -> RendererSpec:
    """Return the renderer for this kind of result and file, which can be written; meant for before long work.

    Args:
        kind: Class name of the result, such as `Attribution`; `None` where it is not known yet: then any will do.
        path: The file; its suffix decides where `renderer` does not.
        renderer: Name of the renderer that was asked for.
        many: Whether several results go into the one file.

    Raises:
        UnknownNameError: No renderer has that name.
        RenderError: None fits, and those that would are listed; or no file can be created at `path`.
    """
    spec = renderer_for(kind, path, renderer, many=many)
    if path.is_dir():
        raise RenderError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise RenderError(f"no folder {path.parent}; make it first")
    try:
        check_writable(path.parent)
    except OSError as error:
        raise RenderError(f"cannot write in {path.parent}: {error.strerror}") from error
    return spec
