"""Whether features of a layer of `shapes` answer to its concepts more cleanly than units do, by AUPRC; no times.

For each concept the best unit and the best feature are chosen on half of the images and scored on the other half, so
that four times as many candidates win nothing by their number. An image's value is the largest over positions. Prints
one JSON line for each concept, and one for all: in what share of the concepts the feature's AUPRC exceeds the unit's.
"""

import argparse
import json
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import cnnviz_jax as cv
from cnnviz_jax.naming import score
from cnnviz_plugins.models.shapes.images import CONCEPTS, draw_images, draw_scenes

_AT_ONCE = 500


def shown_in(count: int) -> tuple[Float[np.ndarray, "n h w c"], Bool[np.ndarray, "n concepts"]]:
    """Return test images, and which of them show which concept."""
    scenes = draw_scenes(range(count), split="test")
    shown = np.array([[name in scene.concepts for name in CONCEPTS] for scene in scenes])
    return np.stack([scene.image for scene in scenes]), shown


def values_of(
    model: cv.Model, layer: str, images: Float[np.ndarray, "n h w c"], features: cv.Dictionary
) -> tuple[Float[np.ndarray, "n units"], Float[np.ndarray, "n codes"]]:
    """Return the largest value over positions of each unit and of each feature, by image."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for first in range(0, len(images), _AT_ONCE):
        values = cv.capture(model, images[first : first + _AT_ONCE], [layer])[layer]
        found.append((values.max((1, 2)), features.encode(values).max((1, 2))))
    units, codes = zip(*found, strict=True)
    return np.concatenate(units), np.concatenate(codes)


def best_held_out(
    values: Float[np.ndarray, "n k"], shown: Bool[np.ndarray, "n concepts"]
) -> tuple[Float[np.ndarray, " concepts"], Any]:
    """Return the AUPRC of each concept's best column on the second half of the images, and which column it is."""
    half = len(values) // 2  # image i is of class i mod 10: both halves have all classes alike
    chosen = np.array([score(column[:half], shown[:half]) for column in values.T]).argmax(0)
    found = [score(values[half:, column], shown[half:, k]) for k, column in enumerate(chosen)]
    return np.array(found), chosen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", default="relu4")
    parser.add_argument("--method", default="topk")
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--times", type=int, default=4, help="features for each unit")
    parser.add_argument("--images", type=int, default=1200, help="that concepts are scored on, a half each")
    parser.add_argument("--learned", type=int, default=3000, help="images that the dictionary is learned from")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--key", type=int, default=0)
    options = parser.parse_args()
    model = cv.load_model("shapes")
    features = cv.learn_dictionary(
        options.method, model, draw_images(range(options.learned), split="train")[0], layer=options.layer,
        size=options.times * model.layers[options.layer].channels, k=options.k, steps=options.steps, batch_rows=1024,
        positions=48, key=options.key, progress=False,
    )  # fmt: skip
    images, shown = shown_in(options.images)
    units, codes = values_of(model, options.layer, images, features)
    (by_unit, unit), (by_code, code) = best_held_out(units, shown), best_held_out(codes, shown)
    for k, name in enumerate(CONCEPTS):
        line = {"concept": name, "share": round(float(shown[:, k].mean()), 3)}
        line |= {"unit": int(unit[k]), "unit_auprc": round(float(by_unit[k]), 3)}
        print(json.dumps(line | {"feature": int(code[k]), "feature_auprc": round(float(by_code[k]), 3)}))
    total = {
        "benchmark": "dictionary_concepts",
        **{name: getattr(options, name) for name in ("layer", "method", "k", "times", "images", "steps", "key")},
        "concepts": len(CONCEPTS),
        "feature_above_unit": round(float((by_code > by_unit).mean()), 3),
        "mean_unit_auprc": round(float(by_unit.mean()), 3),
        "mean_feature_auprc": round(float(by_code.mean()), 3),
        "metrics": {name: round(value, 3) for name, value in features.metrics.items()},
    }
    print(json.dumps(total))
