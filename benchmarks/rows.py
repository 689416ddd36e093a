"""What long scripts find, as JSON lines in a file: a line is kept at once, so that the same command goes on."""

import json
from pathlib import Path
from typing import Any


def kept_rows(path: Path, *names: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the last row of each kind by the entries that tell kinds apart, in the order in which they first came."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        rows[tuple(row[name] for name in names)] = row
    return rows


def keep_row(path: Path, row: dict[str, Any]) -> None:
    """Append a row."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
