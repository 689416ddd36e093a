"""Whose code it was: what a plugin or a user's factory raises becomes one sentence that names it. Light.

The built-in plugins are left alone: what they raise beside our own errors is a fault of this project, which wants a
traceback and a report, not a sentence that blames somebody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cnnviz_jax.errors import CnnvizError, PluginError, reason_of
from cnnviz_jax.plugins.registry import Plugins
from cnnviz_jax.plugins.selection import OWN
from cnnviz_jax.plugins.specs import Record


@contextlib.contextmanager
def foreign(
    who: str, *, error: type[CnnvizError] = PluginError, passing: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Turn whatever the block raises into our error, `sys.exit()` too; our own errors and Ctrl-C pass.

    Args:
        who: Whose code runs, such as `technique 'edges' of my-package:edges`.
        error: What is raised.
        passing: What else passes.

    Raises:
        PluginError: (or `error`) The block raised something that is not ours.
    """
    ours: tuple[type[BaseException], ...] = (CnnvizError, KeyboardInterrupt, GeneratorExit, *passing)
    try:
        yield
    except ours:
        raise
    except SystemExit as cause:
        raise error(f"{who} called sys.exit({cause.code!r:.40}), which would end the program without a word") from cause
    except BaseException as cause:
        text, name = reason_of(cause), type(cause).__name__
        said = name if text == name else f"{name}: {text}"
        raise error(f"{who} failed: {said}; --debug shows where") from cause


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
