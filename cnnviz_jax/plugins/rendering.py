"""Which renderer draws a result: by suffix for files, by what it offers for notebooks and figures. Light."""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from cnnviz_jax.errors import RenderError
from cnnviz_jax.plugins import plugins
from cnnviz_jax.plugins.references import load
from cnnviz_jax.plugins.specs import RendererSpec

Form = Literal["figure", "fragment", "overlay", "sheet"]
"""What a renderer may offer beside files: a field of its record."""


def kind_of(result: Any) -> tuple[str, bool]:
    """Return the class name of a result, or that of several, and whether it is several.

    Raises:
        RenderError: There is none, or they are of different classes.
    """
    if not isinstance(result, list | tuple):
        return type(result).__name__, False
    kinds = list(dict.fromkeys(type(each).__name__ for each in result))
    if len(kinds) != 1:
        found = ", ".join(kinds) or "none"
        raise RenderError(f"one figure is drawn of results of one class, these are {found}; draw them one by one")
    return kinds[0], True


def renderer_for(kind: str | None, path: Path, renderer: str | None = None, *, many: bool = False) -> RendererSpec:
    """Return the renderer for this kind of result and file.

    Args:
        kind: Class name of the result; `None` where it is not known yet: then any will do.
        path: The file; its suffix decides where `renderer` does not.
        renderer: Name of the renderer that was asked for.
        many: Whether several results go into the one file.

    Raises:
        UnknownNameError: No renderer has that name.
        RenderError: None fits, and those that would are listed; or several do.
    """
    manager = plugins()
    if renderer is not None:
        chosen = manager.renderer(renderer)
        if many and kind not in chosen.many:
            raise RenderError(f"renderer {renderer!r} does not draw several {kind} in one file; draw them one by one")
        return chosen
    usable = [spec for spec in manager.renderers.values() if kind is None or {kind, "*"} & set(_accepted(spec, many))]
    fitting = [spec for spec in usable if path.suffix.lower() in spec.suffixes]
    exact = [spec for spec in fitting if kind in _accepted(spec, many)] or fitting
    if not exact:
        asked = f"the suffix {path.suffix!r}" if path.suffix else "the file name without a suffix"
        suffixes = ", ".join(sorted({suffix for spec in usable for suffix in spec.suffixes}))
        known = f"{suffixes} can be written" if suffixes else "none is loaded"
        what = f"several {kind} in one file" if many else kind or "results"
        raise RenderError(f"no renderer of {what} for {asked} of {str(path)!r}; {known}, as `cnnviz renderers` lists")
    if len(exact) > 1 and kind is not None:
        names = ", ".join(repr(spec.name) for spec in exact)
        raise RenderError(f"renderers {names} all write {kind} to {path.suffix.lower()}; say renderer=...")
    return exact[0]


def offered(form: Form, result: Any) -> Callable[..., Any] | None:
    """Return the function of the first renderer, by name, that offers this form of the result; `None` if none does.

    Raises:
        RenderError: The results are of different classes.
    """
    kind, many = kind_of(result)
    for spec in plugins().renderers.values():
        reference = getattr(spec, form)
        if reference is not None and {kind, "*"} & set(_accepted(spec, many)):
            return load(reference)
    return None


def required(form: Form, result: Any) -> Callable[..., Any]:
    """Return what `offered` returns.

    Raises:
        RenderError: No renderer offers it.
    """
    found = offered(form, result)
    if found is None:
        kind, many = kind_of(result)
        raise RenderError(
            f"no renderer offers {'an' if form == 'overlay' else 'a'} {form} of {'several ' if many else ''}{kind};"
            " `cnnviz renderers` lists what there is"
        )
    return found


def display_classes(kind: str) -> tuple[type, ...]:
    """Return the dataclasses of the display options for results of that class name, of all renderers that say so."""
    found: dict[type, None] = {}
    for spec in plugins().renderers.values():
        if spec.display is not None and kind in spec.accepts:
            found |= dict.fromkeys(load(spec.display)(kind))
    return tuple(found)


def is_drawn(result: Any) -> bool:
    """Whether a renderer writes the result as PNG."""
    kind, many = kind_of(result)
    return any(kind in _accepted(spec, many) and ".png" in spec.suffixes for spec in plugins().renderers.values())


def png_bytes(result: Any, **display: Any) -> bytes:
    """Return the figure of a result as PNG.

    Raises:
        RenderError: No renderer writes it, or it cannot be drawn.
    """
    kind, many = kind_of(result)
    with tempfile.TemporaryDirectory(prefix="cnnviz-") as folder:
        path = Path(folder) / "figure.png"
        load(renderer_for(kind, path, many=many).render)(result, path, **display)
        return path.read_bytes()


def fragment_of(result: Any, **display: Any) -> str | None:
    """Return HTML that shows a result, or several in one figure: a renderer's own, or the PNG with the result's text.

    Returns `None` where no renderer draws it.

    Raises:
        RenderError: It cannot be drawn.
    """
    own = offered("fragment", result)
    if own is not None:
        found: str = own(result, **display)
        return found
    if not is_drawn(result):
        return None
    data = base64.b64encode(png_bytes(result, **display)).decode("ascii")
    return (
        '<div class="cnnviz-result" style="display:inline-block;vertical-align:top;max-width:100%">'
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(type(result).__name__)}" style="max-width:100%">'
        f"<details><summary>{html.escape(type(result).__name__)}</summary>{html.escape(repr(result))}</details></div>"
    )


def _accepted(spec: RendererSpec, many: bool) -> tuple[str, ...]:
    return spec.many if many else spec.accepts
