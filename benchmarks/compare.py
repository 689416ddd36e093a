"""Every technique by every measure on `shapes`, whose objects are known: the table of `docs/faithfulness.md`.

Prints one JSON line per technique; `--table FILE` writes the Markdown table, `--figure FILE` the ranked figure.
Held-out pictures, the true class as target, every technique and measure at its defaults but for those in `OPTIONS`.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import numpy as np

import cnnviz_jax as cv
from cnnviz_plugins.models.shapes.pictures import draw_pictures

METRICS = ("pointing-game", "deletion", "insertion", "parameter-randomization")
OPTIONS: dict[str, dict[str, object]] = {"deletion": {"steps": 16}, "insertion": {"steps": 16}}


def markdown(result: cv.Comparison) -> str:
    """Return the table, the most faithful technique first."""
    heads = ["technique", *result.metrics, "mean place", "seconds"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in result.rows():
        cells = []
        for head in heads:
            value = row[head]
            if isinstance(value, float):
                value = f"{value:.1f}" if head in ("mean place", "seconds") else f"{value:.3f}"
            cells.append("-" if value is None else str(value))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100, help="held-out pictures")
    parser.add_argument("--techniques", default=None, help="names joined by commas; all if left out")
    parser.add_argument("--metrics", default=",".join(METRICS), help="names joined by commas")
    parser.add_argument("--chunk", type=int, default=None, help="evaluations at once; planned if left out")
    parser.add_argument("--table", type=Path, default=None, help="Markdown file to write")
    parser.add_argument("--figure", type=Path, default=None, help="figure to write")
    options = parser.parse_args()
    drawn = draw_pictures(range(options.pictures))
    images, masks = np.stack([each.image for each in drawn]), np.stack([each.mask for each in drawn])
    labels = np.array([each.label for each in drawn])
    model = cv.load_model("shapes")
    metrics = options.metrics.split(",")
    result = cv.compare(
        model,
        images,
        None if options.techniques is None else options.techniques.split(","),
        metrics,
        labels,
        mask=masks,
        options={name: each for name, each in OPTIONS.items() if name in metrics},
        key=0,
        chunk=options.chunk or "auto",
        progress=lambda done, total, what: print(f"{100 * done // total} % {what}", end="\r", file=sys.stderr),
    )
    for row in result.rows():
        print(json.dumps(row))
    for name, reason in result.refused.items():
        print(json.dumps({"refused": name, "reason": reason}))
    accuracy = float((np.asarray(model(images)).argmax(1) == labels).mean())
    device = jax.devices()[0].device_kind
    note = (
        f"{options.pictures} held-out pictures of `shapes`, accuracy {accuracy:.1%}, true class as target; chance at"
        f" the pointing game is {masks.mean():.3f}, the share of the picture that the object covers. Device: {device}."
    )
    if options.table:
        options.table.write_text(f"{markdown(result)}\n\n{note}\n")
    if options.figure:
        cv.render(result, options.figure)


if __name__ == "__main__":
    main()
