"""What a command prints with `--json`: one object of the same form, whatever it computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def answer(
    command: str,
    technique: str | None,
    results: Sequence[Any],
    wrote: Sequence[Path],
    *,
    model: str | None,
    seconds: float,
    warnings: Sequence[str],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a command that computes prints as JSON.

    Args:
        command: The verb.
        technique: The technique that it ran; `None` where it names none.
        results: What it computed, whose rows stand in `table`.
        wrote: The files that it wrote.
        model: The model as it was named; `None` where there is none.
        seconds: How long it took.
        warnings: What the results give cause to say.
        more: What this command has beside that, `table` in place of the results' own rows.
    """
    return {
        "command": command,
        "technique": technique,
        "model": model or None,
        "table": [row for result in results for row in rows_of(result)],
        "wrote": [str(path) for path in wrote],
        "seconds": round(seconds, 3),
        "warnings": list(dict.fromkeys(warnings)),
        **more,
    }


def rows_of(result: Any) -> list[dict[str, Any]]:
    """Return what a result says in a row each: of a unit, an image or a target; none where it is arrays alone."""
    import cnnviz_jax as cv

    if isinstance(result, cv.Comparison):
        return result.rows()
    if isinstance(result, cv.Attribution | cv.Measurement):
        names = getattr(result, "names", ()) or range(len(result.scores))
        rows = [
            {"image": name, "technique": result.provenance.technique, "target": target, "score": score}
            for name, target, score in zip(names, result.provenance.targets, result.scores, strict=True)
        ]
        numbers = {"probability": getattr(result, "probabilities", None)}
        numbers |= {"value": result.values} if isinstance(result, cv.Measurement) else {}
        for name, values in numbers.items():
            rows = rows if values is None else [row | {name: one} for row, one in zip(rows, values, strict=True)]
        return rows
    if isinstance(result, cv.Synthesis):
        reached = zip(result.provenance.targets, result.activation, result.status, strict=True)
        return [{"target": target, "activation": value, "status": status} for target, value, status in reached]
    layer = getattr(result, "layer", None)
    table = result.table() if hasattr(result, "table") else []
    return [row if layer is None or "layer" in row else {"layer": layer, **row} for row in table]
