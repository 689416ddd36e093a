"""Listings on stdout: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str, title: str | None = None) -> None:
    """Print rows that share their keys, one line each.

    Args:
        rows: What to list; values are text, numbers, lists of them or `None`.
        as_json: Print a JSON list instead of a table.
        empty: The sentence for no rows.
        title: A line above the table.
    """
    if as_json:
        print(json.dumps(rows, indent=2))
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


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
