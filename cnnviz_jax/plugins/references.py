"""Objects named `package.module:attribute`, imported when first used: one grammar and one import for all of them.

Records name what is heavy this way, and users name what is their own: a model's factory, a source of images, a
reducer, a part of a synthesis. Light.
"""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnviz_jax.errors import CnnvizError, PluginError, UsageError, reason_of

Lazy = Callable[..., Any] | str
"""A callable, or `"package.module:attribute"` naming one, imported when first used."""

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_reference(word: str) -> bool:
    """Whether a word reads as `package.module:attribute`."""
    return bool(_REFERENCE.fullmatch(word))


def load(reference: Lazy) -> Callable[..., Any]:
    """Return the callable that a record's `reference` is or names, importing its module if need be.

    Raises:
        PluginError: The module cannot be imported, or has no such attribute.
    """
    if callable(reference):
        return reference
    found: Callable[..., Any] = import_reference(reference, "reference of a record", error=PluginError)
    return found


def look_in_current_folder() -> None:
    """Let what the user names lie in the current folder, as it does for `python -m`."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def import_reference(word: str, what: str, *, error: type[CnnvizError] = UsageError) -> Any:
    """Return the object that a word names.

    Args:
        word: `package.module:attribute`; the attribute may have dots.
        what: What it is for, for the error, such as `source`.
        error: What is raised.

    Raises:
        UsageError: (or `error`) The module cannot be imported, or has no such attribute.
    """
    module_name, _, attribute = word.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as cause:
        if cause.name and (module_name == cause.name or module_name.startswith(f"{cause.name}.")):
            raise error(
                f"the {what} {word!r} cannot be imported: no module {cause.name!r} in the current folder or among"
                " installed packages"
            ) from cause
        raise error(f"the {what} {word!r} cannot be imported: {cause}") from cause
    except KeyboardInterrupt:
        raise
    except BaseException as cause:  # whatever the module does when it is imported; it may even call sys.exit()
        raise error(f"the {what} {word!r} cannot be imported: {type(cause).__name__}: {reason_of(cause)}") from cause
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise error(f"the {what} {word!r} cannot be imported: {module_name} has no {attribute!r}")
        found = getattr(found, part)
    return found


def import_factory(word: str, what: str, *, error: type[CnnvizError] = UsageError) -> Callable[..., Any]:
    """Return the user's own function that a word names, looked for from the current folder too; see `import_reference`.

    Raises:
        UsageError: (or `error`) It cannot be imported, or is no function.
    """
    look_in_current_folder()
    found = import_reference(word, what, error=error)
    if not callable(found):
        raise error(f"the {what} {word!r} is of type {type(found).__name__}; name a function")
    function: Callable[..., Any] = found
    return function
