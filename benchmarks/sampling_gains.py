"""What drawing in pairs and drawing evenly save: errors against what endless samples give, on `shapes`, counted.

Prints one JSON line for each technique: the root mean square error over images, keys and parts with independent draws
and with the better ones, at equal numbers of evaluations, and how many independent draws would do as well: the ratio
of the errors squared. Nothing is timed.
"""

import argparse
import json
from typing import Any

import numpy as np
from jaxtyping import Float

import cnnviz_jax as cv

_PARTS = {"segments": "grid(3)", "fill": 0.5}


def per_part(technique: str, model: cv.Model, images: Any, **options: Any) -> Float[np.ndarray, "n parts"]:
    """Return a number for each part."""
    return np.asarray(cv.explain(technique, model, images, 3, **_PARTS, **options).extras["per_segment"])


def error(
    truth: Float[np.ndarray, "n parts"], technique: str, model: cv.Model, images: Any, keys: int, **options: Any
) -> float:
    """Return the root mean square error over keys."""
    off = [per_part(technique, model, images, key=key, **options) - truth for key in range(keys)]
    return float(np.sqrt(np.mean(np.square(off))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--keys", type=int, default=10)
    options = parser.parse_args()
    model = cv.load_model("shapes")
    images, _ = cv.example_images("shapes", options.images)
    sides: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
        # all coalitions; singles; pairs
        "kernel-shap": ({"samples": 512}, {"samples": 128, "convention": "captum"}, {"samples": 128}),
        "permutation-shap": ({"samples": 2048}, {"samples": 16}, {"samples": 16, "antithetic": True}),
        "sobol": ({"designs": 2048}, {"designs": 32, "sampler": "random"}, {"designs": 32, "sampler": "sobol"}),
    }
    for technique, (_, independent, better) in sides.items():
        exact = "kernel-shap" if technique == "permutation-shap" else technique
        truth = per_part(exact, model, images, **(sides[exact][0]))
        plain = error(truth, technique, model, images, options.keys, **independent)
        # Sobol's points are the same for every key.
        once = 1 if technique == "sobol" else options.keys
        even = error(truth, technique, model, images, once, **better)
        line = {
            "benchmark": "sampling_gains",
            "technique": technique,
            "independent": independent,
            "better": better,
            "error_independent": round(plain, 5),
            "error_better": round(even, 5),
            "size": round(float(np.sqrt(np.mean(truth**2))), 4),
            "evaluations_saved": round((plain / even) ** 2, 2),
            "images": options.images,
            "keys": options.keys,
        }
        print(json.dumps(line), flush=True)
