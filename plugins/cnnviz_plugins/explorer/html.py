"""The `site` renderer: the one page of a site, which draws what its data files hold.

It runs under a content security policy that allows its own style and script by their hashes, and scripts and images
that lie beside it; names and labels are only ever put in as text.
"""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from cnnviz_jax.plugin import FUNCTION, LiveSite, Site
from cnnviz_plugins.pages import quoted_hash, templates

_FOLDER = resources.files("cnnviz_plugins.explorer.page")
# In the order in which they are read; each is a part of one function.
_SCRIPTS = ("elements.js", "data.js", "parts.js", "units.js", "collections.js", "pages.js", "routes.js")
_LIVE_SCRIPTS = (*_SCRIPTS[:-1], "live.js", _SCRIPTS[-1])
"""Those of a page that is served: an image is dropped, explained and painted over."""


def render(site: Site, path: Path) -> None:
    """Write the page of a site to `path`; it shows the data that lie in the folder `data` beside it.

    Args:
        site: Its title is the page's; all else the page reads when it is opened.
        path: The file to write.
    """
    is_live = isinstance(site, LiveSite)
    style, script = _source("page.css"), _script(_LIVE_SCRIPTS if is_live else _SCRIPTS)
    page = (
        templates(_source)
        .get_template("index.html.jinja")
        .render(
            title=site.title,
            style=Markup(style),
            script=Markup(script),
            is_live=is_live,
            policy=_policy(style, script, is_live=is_live),
        )
    )
    Path(path).write_text(page, encoding="utf-8", newline="\n")


def _script(names: Sequence[str]) -> str:
    lines = (line for name in names for line in _source(name).splitlines())
    parts = "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("//"))  # comments load nothing
    return f'"use strict";\n(() => {{\nconst FUNCTION = {json.dumps(FUNCTION)};\n{parts}}})();\n'


def _source(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str, *, is_live: bool) -> str:
    """Return the policy: nothing but what lies beside the page, from a disk or from a server.

    A page that is served may send an image to that server.
    """
    sent = "connect-src 'self'; " if is_live else ""
    return (
        f"default-src 'none'; {sent}img-src 'self' file: data:; style-src {quoted_hash(style)}; "
        f"script-src 'self' file: {quoted_hash(script)}; base-uri 'none'; form-action 'none'"
    )
