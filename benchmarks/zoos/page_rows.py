"""The rows of a written page read back: what was found before stays when only some networks are run again."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from zoos.network import CHECKS

_WRONG = re.compile(rf"; (?=(?:{'|'.join(CHECKS)}) wrong: )")
_COLUMNS = ("equal", "fields", "grad-cam", "lrp", "occlusion")


def rows_of(page: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows that a page was made of, by library and name, in its order, as far as it shows them."""
    before, _, told = page.partition("\n## Not right\n")
    found = {cells[0]: cells[1] for cells in _tables(told)}
    versions: dict[str, dict[str, str]] = {}
    rows = {}
    for part in before.split("\n## ")[:1]:
        versions = {cells[0]: dict(each.split(" ", 1) for each in cells[1].split(", ")) for cells in _tables(part)
                    if len(cells) == 4}  # fmt: skip
    for part in before.split("\n## ")[1:]:
        library = part.partition("\n")[0].strip()
        for cells in _tables(part):
            row = _row(cells, found.get(f"{library} {cells[0]}", ""))
            rows[library, cells[0]] = {"library": library, "name": cells[0], "versions": versions[library], **row}
    return rows


def _row(cells: list[str], told: str) -> dict[str, Any]:
    wrongs = dict(each.split(" ", 1) for each in _WRONG.split(told)) if " wrong: " in told else {}
    size = {} if cells[1] == "?" else {"shape": [int(cells[1]), int(cells[1]), 3]}
    if told and not wrongs:
        return {"ended": told, **size}
    shown = {"adapts": f"{cells[2]} layers", "names": "", **dict(zip(_COLUMNS, cells[3:], strict=True))}
    return {**size, "checks": {name: wrongs.get(name, f"ok: {shown[name]}") for name in CHECKS}}


def _tables(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row below a table's head."""
    lines = text.splitlines()
    inside = False
    for line, after in itertools.pairwise([*lines, ""]):
        if after.startswith("|---"):
            inside = False
        elif line.startswith("|---"):
            inside = True
        elif inside and line.startswith("| "):
            yield [_text(cell) for cell in re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))]
        else:
            inside = False


def _text(cell: str) -> str:
    return cell.replace("\\*", "*").replace("&lt;", "<").replace("\\|", "|")
