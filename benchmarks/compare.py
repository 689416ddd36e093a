"""Every technique by every measure on `shapes`, whose objects are known: the table of `docs/faithfulness.md`.

Prints one JSON line per technique; `--table FILE` writes the Markdown table, `--figure FILE` the ranked figure.
Held-out images, the true class as target. Techniques of thousands of evaluations get the smaller budgets of `QUICK`
unless `--full` is given, so that all of it takes some five minutes on two cores. Parameter randomisation explains
again for every layer, so it is measured on the first few images only.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.plugins import plugins
from cnnviz_plugins.models.shapes.images import draw_scenes

METRICS = ("pointing-game", "deletion", "insertion")
RANDOMIZED = "parameter-randomization"
MEASURES: dict[str, dict[str, object]] = {"deletion": {"steps": 16}, "insertion": {"steps": 16}}
QUICK: dict[str, dict[str, object]] = {
    "rise": {"masks": 1000},
    "kernel-shap": {"samples": 512},
    "lime": {"samples": 500},
    "sobol": {"designs": 8},
    "extremal-perturbation": {"steps": 100},
    "guided-ig": {"steps": 50},
    "blur-ig": {"steps": 50},
    "xrai": {"nodes": 20},
}


def markdown(rows: list[dict[str, object]], heads: list[str]) -> str:
    """Return the table, the most faithful technique first."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = []
        for head in heads:
            value = row.get(head)
            if isinstance(value, float):
                value = f"{value:.1f}" if head in ("mean place", "seconds") else f"{value:.3f}"
            cells.append("-" if value is None else str(value))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24, help="held-out images")
    parser.add_argument("--randomized", type=int, default=4, help="images of parameter randomisation; 0: without")
    parser.add_argument("--full", action="store_true", help="every technique at its defaults; takes half an hour")
    parser.add_argument("--techniques", default=None, help="names joined by commas; all if left out")
    parser.add_argument("--metrics", default=",".join(METRICS), help="names joined by commas")
    parser.add_argument("--chunk", type=int, default=None, help="evaluations at once; planned if left out")
    parser.add_argument("--table", type=Path, default=None, help="Markdown file to write")
    parser.add_argument("--figure", type=Path, default=None, help="figure to write")
    options = parser.parse_args()
    drawn = draw_scenes(range(options.images))
    images, masks = np.stack([each.image for each in drawn]), np.stack([each.mask for each in drawn])
    labels = np.array([each.label for each in drawn])
    model = cv.load_model("shapes")
    metrics = options.metrics.split(",")
    every = [name for name, spec in plugins().techniques.items() if spec.kind == "explain"]
    techniques = every if options.techniques is None else options.techniques.split(",")
    budgets = {} if options.full else {name: each for name, each in QUICK.items() if name in techniques}
    shared = {"key": 0, "chunk": options.chunk or "auto", "progress": _tell}
    chosen = budgets | {name: each for name, each in MEASURES.items() if name in metrics}
    result = cv.compare(model, images, techniques, metrics, labels, mask=masks, options=chosen, **shared)
    rows = {str(row["technique"]): row for row in result.rows()}
    heads = ["technique", *result.metrics, "mean place", "seconds"]
    few = options.randomized
    if few:
        again = cv.compare(
            model, images[:few], list(result.techniques), [RANDOMIZED], labels[:few], options=budgets, **shared
        )
        for row in again.rows():
            rows[str(row["technique"])][RANDOMIZED] = row[RANDOMIZED]
        heads.append(RANDOMIZED)
    for row in rows.values():
        print(json.dumps(row))
    for name, reason in result.refused.items():
        print(json.dumps({"refused": name, "reason": reason}))
    accuracy = float((np.asarray(model(images)).argmax(1) == labels).mean())
    device = jax.devices()[0].device_kind
    note = (
        f"{options.images} held-out images of `shapes`, accuracy {accuracy:.1%}, true class as target; chance at"
        f" the pointing game is {masks.mean():.3f}, the share of the image that the object covers. Smaller budgets:"
        f" {'; '.join(f'{name} {each}' for name, each in budgets.items()) or 'none'}. Parameter randomisation: {few}"
        f" images. Device: {device}."
    )
    if options.table:
        options.table.write_text(f"{markdown(list(rows.values()), heads)}\n\n{note}\n")
    if options.figure:
        cv.render(result, options.figure)


def _tell(done: int, total: int, what: str) -> None:
    print(f"{100 * done // total} % {what}", end="\r", file=sys.stderr)


if __name__ == "__main__":
    main()
