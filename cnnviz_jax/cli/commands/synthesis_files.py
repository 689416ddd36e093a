"""What `cnnviz synthesize` writes beside a PNG: a file per unit, the ascent as a GIF, and every number."""

import re
from pathlib import Path
from typing import Any


def folder_beside(out: Path) -> Path:
    """Return the folder of the files that go with the grid `out`."""
    return out.with_name(f"{out.stem}-units")


def write_beside(result: Any, out: Path, *, block: int | None) -> tuple[Path, ...]:
    """Write one PNG per image, the ascent and the numbers; return what was written, the folder last.

    Args:
        result: A synthesis.
        out: The grid's file, whose name the others share.
        block: Images of one square of the grid, where it has several.
    """
    import dataclasses

    import cnnviz_jax as cv

    folder = folder_beside(out)
    folder.mkdir(exist_ok=True)
    shared: dict[str, Any] = {} if block is None else {"block": block}
    written = [cv.render(result, out.with_suffix(".json"))]
    if "frames" in result.extras:
        written.append(cv.render(result, out.with_suffix(".gif"), **shared))
    for number, name in enumerate(result.provenance.targets):
        one = dataclasses.replace(
            result,
            images=result.images[number : number + 1],
            activation=result.activation[number : number + 1],
            status=result.status[number : number + 1],
        )
        cv.render(one, folder / f"{number:04d}-{_plain(name)}.png", renderer="grid", margin_px=0)
    return (*written, folder)


def joined(results: list[Any]) -> Any:
    """Return several syntheses of equal size as one, in order.

    Raises:
        UsageError: Their images differ in size.
    """
    import dataclasses

    import numpy as np

    from cnnviz_jax.errors import UsageError

    if len(results) == 1:
        return results[0]
    first = results[0]
    if len({result.images.shape[1:] for result in results}) > 1:
        raise UsageError("the layers' images differ in size; give --size, or one layer at a time")
    shared = set.intersection(*(set(result.extras) for result in results))
    alike = {n for n in shared if len({np.shape(result.extras[n])[1:] for result in results}) == 1}

    def together(*parts: Any) -> Any:
        return np.concatenate([np.asarray(part) for part in parts])

    provenance = dataclasses.replace(
        first.provenance,
        targets=tuple(target for result in results for target in result.provenance.targets),
        layer=None,
        notes=tuple((f"{r.provenance.layer}: {name}", value) for r in results for name, value in r.provenance.notes),
    )
    arrays = ("images", "raw", "curves", "activation")
    return dataclasses.replace(
        first,
        **{name: together(*(getattr(r, name) for r in results)) for name in arrays},
        extras={name: together(*(r.extras[name] for r in results)) for name in sorted(alike)},
        status=tuple(status for r in results for status in r.status),
        provenance=provenance,
        warnings=tuple(dict.fromkeys(warning for r in results for warning in r.warnings)),
    )


def _plain(name: str) -> str:
    """A target's text as a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:80] or "unit"
