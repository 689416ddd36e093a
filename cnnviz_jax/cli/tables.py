"""Listings on stdout: a table for people, JSON for programs."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from cnnviz_jax.plugins import Plugins

_json_stream: list[TextIO] = []
"""Where JSON goes, innermost last; empty where nothing keeps stdout for it."""


def print_json(content: Any, *, indent: int = 2) -> None:
    """Print JSON on stdout, also within `stdout_for_json`; a number that is not finite is `null`."""
    text = json.dumps(_plain(content), indent=indent, allow_nan=False)
    print(text, file=_json_stream[-1] if _json_stream else sys.stdout, flush=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: arrays and their numbers as lists and numbers."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def stdout_for_json() -> Iterator[None]:
    """Keep stdout for `print_json` while the block runs.

    What plugins, models and libraries print goes to stderr, also what they write to the file descriptor itself.
    """
    stdout = sys.stdout
    stdout.flush()
    try:
        number = stdout.fileno()
        kept = os.dup(number)
    except (OSError, ValueError, AttributeError):  # a stand-in without a descriptor, as in tests and notebooks
        number = kept = -1
    if kept >= 0:
        os.dup2(2, number)
    stream = os.fdopen(kept, "w", encoding="utf-8") if kept >= 0 else stdout
    _json_stream.append(stream)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout
        _json_stream.pop()
        if kept >= 0:
            stdout.flush()
            os.dup2(kept, number)
            stream.close()


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str, title: str | None = None) -> None:
    """Print rows that share their keys, one line each.

    Args:
        rows: What to list; values are text, numbers, lists of them or `None`.
        as_json: Print a JSON list instead of a table.
        empty: The sentence for no rows.
        title: A line above the table.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for position, column in enumerate(rows[0]):
        table.add_column(column.replace("_", " "), no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))  # Text: names are never read as markup
    # Piped output keeps one line per row; a terminal wraps to its own width.
    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=False).print(table)


def show_records(
    registry: Plugins,
    sort: str,
    specs: Iterable[Any],
    columns: Callable[[Any], dict[str, Any]],
    details: Callable[[Any], dict[str, Any]] | None = None,
    *,
    as_json: bool,
) -> int:
    """Print records of plugins, each with its name, its summary and its plugin, and return the exit code 0.

    Args:
        registry: Says which plugin brings a record.
        sort: What they are, such as `adapter`.
        specs: The records.
        columns: What stands between a record's name and its summary.
        details: What JSON has beside that.
        as_json: Print a JSON list instead of a table.
    """
    rows = [
        {"name": spec.name, **columns(spec), "summary": spec.summary, "plugin": registry.owner(sort, spec.name)}
        | (details(spec) if as_json and details else {})
        for spec in specs
    ]
    show(rows, as_json=as_json, empty=f"No {sort}s to list; `cnnviz plugins` shows why.")
    return 0


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
