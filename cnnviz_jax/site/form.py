"""The form of `site.json`, which may be a stranger's: what reads a site, and what continues one, relies on it."""

import re
from typing import Any

from cnnviz_jax.reading.forms import check_entries

NAME = re.compile(r"[\w-]{1,100}", re.ASCII)
"""What a data file may be called, without its suffix."""
_SUMMARY: dict[str, Any] = {
    "title": str, "is_complete": bool, "units_per_sheet": int, "layers": list[dict[str, Any]], "classes": list[str],
    "images": list[list[Any]], "identity": dict[str, Any], "beside": list[str], "synthesis": dict[str, Any],
    "panels": list[dict[str, str]], "warnings": list[str], "collections": list[dict[str, Any]],
}  # fmt: skip
_ROW: dict[str, Any] = {
    "name": str, "slug": str, "units": int, "is_shown": bool, "is_done": bool, "synthesis": dict[str, list[int]],
}  # fmt: skip


def check_summary(summary: Any) -> dict[str, Any]:
    """Return what `site.json` holds.

    Raises:
        ValueError: It has another form than is written.
    """
    check_entries(summary, _SUMMARY, "it")
    check_entries(summary["identity"], {"layers": list[str], "detail": str}, "`identity`")
    for row in summary["layers"]:
        check_entries(row, _ROW, "a layer")
        if not NAME.fullmatch(row["slug"]) or row["units"] < 0:
            raise ValueError("a layer has a slug or a number of units that none has")
    for row in summary["collections"]:
        check_entries(row, {"name": str, "title": str, "slug": str, "titles": list[str]}, "a collection")
        if not NAME.fullmatch(row["slug"]):
            raise ValueError("a collection has a slug that none has")
    if summary["units_per_sheet"] < 1:
        raise ValueError("`units_per_sheet` is below 1")
    return dict(summary)
