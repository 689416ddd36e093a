"""Objects named `package.module:attribute`: the user's own sources and reducers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from cnnviz_jax.sweep.exits import SweepUsageError


def is_reference(word: str) -> bool:
    """Return whether a word reads as `package.module:attribute`."""
    module, colon, attribute = word.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


def import_reference(word: str, what: str) -> Any:
    """Return the object that a word names, looked for from the current folder too.

    Args:
        word: `package.module:attribute`.
        what: What it is for, for the error.

    Raises:
        SweepUsageError: The module or the attribute does not exist.
    """
    module_name, _, attribute = word.partition(":")
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SweepUsageError(f"the {what} {word!r} cannot be imported: {error}") from error
    return found
