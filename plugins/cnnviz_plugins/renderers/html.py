"""The `html` renderer: one offline page with every image inside.

The page names no other file and no address, runs under a content security policy that allows only
its own style and script by their hashes, shows labels as text, and works without its script.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cnnviz_plugins.pages import quoted_hash, templates
from cnnviz_plugins.renderers.figures.synthesis import STATUS_WORDS, short_label
from cnnviz_plugins.renderers.images import channel_note, data_uri, png, rgb
from cnnviz_plugins.renderers.options import HtmlOptions, parse
from cnnviz_plugins.renderers.page.assemble import page_values
from cnnviz_plugins.renderers.page.sections import painted_uri, spark
from cnnviz_plugins.renderers.text import number, options_of, percent, seconds, size, target_of

_FOLDER = resources.files("cnnviz_plugins.renderers.page")


def render(result: Any, path: Path, **display: Any) -> None:
    """Write the page of a report or of one result to `path`.

    Args:
        result: A `Report`, `Attribution`, `FilterBank`, `ReceptiveFields` or `Synthesis`.
        path: The file to write.
        **display: The fields of `options.HtmlOptions`.

    Raises:
        RenderError: The result is of another kind or holds values that are not finite.
        UsageError: An option is unknown or out of range.
    """
    Path(path).write_text(page(result, **display), encoding="utf-8", newline="\n")


def page(result: Any, **display: Any) -> str:
    """Return the page as text; see `render`."""
    options = parse(HtmlOptions, display)
    environment = templates(_source)
    environment.filters |= {
        "number": number, "percent": percent, "seconds": seconds, "size": size, "channel_note": channel_note,
        "cell": lambda value: size(value) if isinstance(value, list | tuple) else "" if value is None else value,
        "rgb": rgb, "png": lambda pixels: data_uri(png(pixels)), "painted": painted_uri, "spark": spark,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }  # fmt: skip
    environment.globals |= {
        "target_of": target_of, "options_of": options_of, "short_label": short_label, "status_words": STATUS_WORDS,
        "opacity": options.opacity, "limit": options.limit,
    }  # fmt: skip
    # Hashes are taken of exactly what stands between the tags, so both are put in as they are.
    style = f":root {{ --heat: {options.opacity:g}; }}\n" + _source("page.css")
    script = _source("page.js")
    return environment.get_template("page.html.jinja").render(
        **page_values(result, options), style=Markup(style), script=Markup(script), policy=_policy(style, script)
    )


def _source(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: nothing from outside, style and script by hash, images inside."""
    return (
        f"default-src 'none'; img-src data:; style-src {quoted_hash(style)}; script-src {quoted_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
