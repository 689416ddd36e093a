"""Pointing game on `shapes`: how often each explanation's strongest pixel lies on the object.

Every explain technique that gives a map of the image, or those named, runs with its defaults on held-out
images whose object mask is known. Prints one JSON line per technique; `--table FILE` writes a Markdown table.

Source of the measure: Zhang et al. 2016, arXiv:1608.00507, with a tolerance of 0 pixels.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.plugins import plugins
from cnnviz_plugins.models.shapes.images import draw_scenes


def hits(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return for each map whether its strongest pixel is on the object; a map without a maximum misses."""
    flat = (np.abs(values).max(-1) if values.ndim == 4 else values).reshape(len(values), -1)
    strongest = flat.argmax(1)
    return masks.reshape(len(masks), -1)[np.arange(len(masks)), strongest] & (flat.max(1) > flat.min(1))


def main() -> None:
    """Run all techniques and print what they score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="held-out images")
    parser.add_argument("--techniques", default=None, help="names joined by commas; all if not given")
    parser.add_argument("--table", type=Path, default=None, help="Markdown file to write")
    options = parser.parse_args()
    drawn = draw_scenes(range(options.images))
    images, masks = np.stack([p.image for p in drawn]), np.stack([p.mask for p in drawn])
    labels = np.array([p.label for p in drawn])
    model = cv.load_model("shapes")
    accuracy = float((np.asarray(model(images)).argmax(1) == labels).mean())
    rows = []
    known = [name for name, spec in plugins().techniques.items() if spec.kind == "explain"]
    for name in options.techniques.split(",") if options.techniques else known:
        begun = time.perf_counter()
        result = cv.explain(name, model, images, labels)
        if result.view == "maps":  # a layer's own channels, not a map of the image
            continue
        share = float(hits(np.asarray(result.values), masks).mean())
        rows.append({"technique": name, "pointing_game": share, "seconds": round(time.perf_counter() - begun, 2)})
        print(json.dumps(rows[-1]), flush=True)
    rows.append({"technique": "chance (share of the image the object covers)", "pointing_game": float(masks.mean())})
    if options.table:
        rows.sort(key=lambda row: -float(row["pointing_game"]))
        lines = ["| technique | strongest pixel on the object |", "|---|---|"]
        lines += [f"| {row['technique']} | {row['pointing_game']:.1%} |" for row in rows]
        note = f"{options.images} held-out images of `shapes`, accuracy {accuracy:.1%}, true class as target."
        options.table.write_text("\n".join([*lines, "", note, ""]))


if __name__ == "__main__":
    main()
