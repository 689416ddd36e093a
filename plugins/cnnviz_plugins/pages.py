"""What HTML pages share: templates that escape whatever they show, and hashes for a content security policy."""

import base64
import hashlib
from collections.abc import Callable

import jinja2


def templates(source: Callable[[str], str]) -> jinja2.Environment:
    """Return the templates that `source` gives by name; what is put into them is escaped, what lacks is an error."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def quoted_hash(text: str) -> str:
    """Return what a policy calls a style or a script that stands in the page to the letter."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
