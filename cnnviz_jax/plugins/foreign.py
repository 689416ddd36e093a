"""Whose code it was: what a plugin or a user's factory raises becomes one sentence that names it. Light.

The built-in plugins are left alone: what they raise beside our own errors is a fault of this project, which wants a
traceback and a report, not a sentence that blames somebody.
"""

from __future__ import annotations

import contextlib
from typing import Any

from cnnviz_jax.errors import CnnvizError, PluginError, printable, reason_of
from cnnviz_jax.plugins.registry import Plugins
from cnnviz_jax.plugins.selection import OWN
from cnnviz_jax.plugins.specs import Record


class foreign(contextlib.AbstractContextManager[None]):  # read as a function, as contextlib's own are
    """Turn whatever the block raises into our error, `sys.exit()` too; our own errors and Ctrl-C pass.

    A class and no generator: `contextlib.contextmanager` lets a `StopIteration` through where a `RuntimeError`, which a
    `PluginError` is, is raised from it.

    Raises:
        PluginError: (or `error`) The block raised something that is not ours.
    """

    def __init__(
        self, who: str, *, error: type[CnnvizError] = PluginError, passing: tuple[type[BaseException], ...] = ()
    ) -> None:
        """Name the code.

        Args:
            who: Whose code runs, such as `technique 'edges' of my-package:edges`.
            error: What is raised.
            passing: What else passes.
        """
        self._who, self._error = who, error
        self._passing: tuple[type[BaseException], ...] = (CnnvizError, KeyboardInterrupt, *passing)

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, trace: object) -> None:
        """Raise what the block's exception becomes."""
        if cause is None or isinstance(cause, self._passing):
            return
        if isinstance(cause, SystemExit):
            code = printable(repr(cause.code), 40)
            raise self._error(
                f"{self._who} called sys.exit({code}), which would end the program without a word"
            ) from cause
        text, name = reason_of(cause), printable(type(cause).__name__, 40)
        said = name if text == name else f"{name}: {text}"
        raise self._error(f"{self._who} failed: {said}; --debug shows where") from cause


def code_of(
    registry: Plugins, sort: str, record: Record, *, passing: tuple[type[BaseException], ...] = ()
) -> contextlib.AbstractContextManager[None]:
    """Return `foreign` for what a record names, which does nothing where the record is this project's own."""
    title = title_of(registry, sort, record)
    return contextlib.nullcontext() if f" of {OWN}:" in title else foreign(title, passing=passing)


def title_of(registry: Plugins, sort: str, record: Record) -> str:
    """Return what to call a record, with its plugin where one offers it; it may also come straight from the caller."""
    offered: Any = getattr(registry, f"{sort}s").get(record.name)
    owner = f" of {registry.owner(sort, record.name)}" if offered is record else ""
    return f"{sort} {record.name!r}{owner}"
