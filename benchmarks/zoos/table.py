"""The results as a page of the documentation: counts, one row per network, and what was not right in words."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_ORDER = ("equal", "names", "fields", "grad-cam", "lrp", "occlusion")


def page(rows: Sequence[Row], wrongs: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Return the Markdown of all rows.

    Args:
        rows: As the results' file has them.
        wrongs: What did not hold, by library and name.
    """
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    good = sum(not wrongs[row["library"], row["name"]] for row in rows)
    kinds = Counter(_lrp_kind(row) for row in rows)
    parts = [
        f"{len(rows)} networks, {good} of them right in all seven checks ({100 * good / max(1, len(rows)):.1f} %).",
        "",
        "| library | version | networks | all right |",
        "|---|---|---|---|",
    ]
    for library in libraries:
        own = [row for row in rows if row["library"] == library]
        right = sum(not wrongs[row["library"], row["name"]] for row in own)
        versions = ", ".join(f"{name} {version}" for name, version in own[-1]["versions"].items())
        parts.append(f"| {library} | {versions} | {len(own)} | {right} |")
    parts += ["", "Relevance: " + "; ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind) + "."]
    for library in libraries:
        own = [row for row in rows if row["library"] == library]
        parts += [
            "",
            f"## {library}",
            "",
            "| network | image | layers | equal | boxes | Grad-CAM at | relevance | occlusion |",
        ]
        parts += ["|---|---|---|---|---|---|---|---|", *(_line(row) for row in own)]
    told = [(row, wrongs[row["library"], row["name"]]) for row in rows if wrongs[row["library"], row["name"]]]
    if told:
        parts += ["", "## Not right", "", "| network | what was found |", "|---|---|"]
        parts += [f"| {row['library']} {row['name']} | {_cell('; '.join(found))} |" for row, found in told]
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    checks = row.get("checks", {})
    adapted = re.search(r"ok: (\d+) layers", checks.get("adapts", ""))
    cells = [row["name"], str(row.get("shape", ["?"])[0]), adapted.group(1) if adapted else "**no**"]
    for name in _ORDER:
        text = checks.get(name, "wrong")
        if name == "names":
            continue
        cells.append(_cell(_lrp_kind(row) if name == "lrp" else text[4:]) if text.startswith("ok") else "**no**")
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _lrp_kind(row: Row) -> str:
    text = row.get("checks", {}).get("lrp", "")
    for start, kind in (
        ("ok: conserves", "conserves"),
        ("ok: refuses", "refuses"),
        ("ok: says", "says that it loses some"),
    ):
        if text.startswith(start):
            return kind + (" without biases" if "without biases" in text else "")
    return ""
