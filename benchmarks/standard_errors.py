"""How often the interval of 1.96 standard errors holds what 10,000 samples give, on `shapes`, counted; 95 % is right.

Prints one JSON line for each sampled technique: the share of pixels, or of parts, over images and keys. The many
samples have an error of their own, by which a right interval of few covers a little less. Nothing is timed.
"""

import argparse
import json
from typing import Any

import numpy as np

import cnnviz_jax as cv

_PARTS = {"segments": "grid(4)", "fill": 0.5}
TECHNIQUES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "smoothgrad": ("samples", {"samples": 100}, {}),
    "gradient-shap": ("samples", {"samples": 100}, {}),
    "rise": ("masks", {"masks": 500}, {}),
    "kernel-shap": ("samples", {"samples": 400}, _PARTS),
    "lime": ("samples", {"samples": 400, "ridge": 0.0}, _PARTS),
    "permutation-shap": ("samples", {"samples": 100}, _PARTS),
    "sobol": ("designs", {"designs": 256, "sampler": "random"}, {**_PARTS, "segments": "grid(3)"}),
}


def covered(name: str, model: cv.Model, images: Any, many: int, keys: int) -> dict[str, Any]:
    """Return the line of one technique."""
    counted, few, options = TECHNIQUES[name]
    if many < 10 * few[counted]:
        raise ValueError(
            f"{many} samples are few beside the {few[counted]} of {name}; the truth needs ten times as many"
        )
    truth = cv.explain(name, model, images, 3, key=keys, **{**few, **options, counted: many})
    values = np.asarray(truth.values)
    moves = np.abs(values) > 1e-9 * np.abs(values).max()  # beside a window of zeros nothing is drawn
    held = []
    for key in range(keys):
        found = cv.explain(name, model, images, 3, key=key, **few, **options)
        within = np.abs(found.values - values) <= 1.96 * np.asarray(found.standard_error)
        held.append(float(within[moves].mean()))
    return {
        "benchmark": "standard_errors",
        "technique": name,
        **few,
        "truth": many,
        "held": round(float(np.mean(held)), 4),
        "by_key": [round(min(held), 3), round(max(held), 3)],
        "images": len(images),
        "keys": keys,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--techniques", nargs="+", default=list(TECHNIQUES), choices=list(TECHNIQUES))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--keys", type=int, default=6)
    parser.add_argument("--many", type=int, default=10_000, help="samples that stand for endlessly many")
    options = parser.parse_args()
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", options.images)
    for name in options.techniques:
        print(json.dumps(covered(name, model, images, options.many, options.keys)), flush=True)
