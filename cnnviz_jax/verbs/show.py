"""`cv.show` and `cv.figure`: results in a notebook or a browser, and as matplotlib figures to go on with."""

import html
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from cnnviz_jax.errors import RenderError
from cnnviz_jax.plugins.display_options import DisplayOptions
from cnnviz_jax.plugins.rendering import fragment_of, kind_of, offered, required
from cnnviz_jax.progress.notebook import display_html, in_notebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family:sans-serif;margin:1.5em">{body}</body></html>
"""


def show(*results: Any, **display: Unpack[DisplayOptions]) -> None:
    """Show results side by side: in a notebook below the cell, elsewhere as an offline page in the browser.

    Attributions of the same images share one figure, images down and techniques across, if they come as one list.

    Args:
        *results: What `explain`, `synthesize`, `inspect`, `survey`, `measure`, `compare` or `report` returned, or lists
            of such.
        **display: Display options, such as `colormap`; each result takes those that it knows.

    Raises:
        RenderError: No renderer shows this kind of result, or it holds values that are not finite.
        UsageError: There is nothing to show, or a display option is unknown or out of range.

    Example:
        cv.show([cv.explain(name, model, images) for name in ("saliency", "grad-cam")])
    """
    body = side_by_side(results, **display)
    if in_notebook():
        display_html(body)
        return
    path = Path(tempfile.mkdtemp(prefix="cnnviz-")) / "shown.html"
    path.write_text(_PAGE.format(title=html.escape("cnnviz"), body=body), encoding="utf-8")
    # Where there is no browser, as on a server, the path tells where to look.
    webbrowser.open(path.as_uri())
    print(f"cnnviz: shown in {path}", file=sys.stderr)


def side_by_side(results: tuple[Any, ...] | list[Any], **display: Unpack[DisplayOptions]) -> str:
    """Return results as HTML, beside one another where they fit.

    Raises:
        RenderError: As for `show`.
    """
    parts = []
    for one in results:
        together = isinstance(one, list | tuple)
        if together and (len({type(each) for each in one}) != 1 or offered("fragment", one) is None):
            parts.append(side_by_side(one, **display))
            continue
        shown = fragment_of(tuple(one) if together else one, **display)
        if shown is None:
            raise RenderError(f"no renderer draws a {type(one).__name__}; `cnnviz renderers` lists what there is")
        parts.append(shown)
    return f'<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">{"".join(parts)}</div>'


def figure(result: Any, **display: Unpack[DisplayOptions]) -> "Figure":
    """Return the matplotlib figure of a result, or of several attributions side by side, to go on with.

    It belongs to no window and no pyplot: save it with `savefig`, or let a notebook show it.

    Args:
        result: As for `cv.render`.
        **display: The display options of that kind of result.

    Raises:
        RenderError: There is no figure for this kind of result, or it holds values that are not finite.
        UsageError: A display option is unknown or out of range.
    """
    many = kind_of(result)[1]
    drawn: Figure = required("figure", result)(tuple(result) if many else result, **display)
    return drawn
