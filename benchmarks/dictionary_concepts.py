"""Whether features of a layer of `shapes` answer to its concepts more cleanly than units do, by AUPRC; no times.

For each concept the best unit and the best feature are chosen on half of the images and scored on the other half, so
that four times as many candidates win nothing by their number. A row is an image, with the largest value over
positions, or with `--by position` a place of the layer, which shows a concept if the concept's mask covers more than
half of what lies below it. Prints one JSON line for each concept, with the 95 % interval of the difference over the
images held out, and one for all: in what share of the concepts the feature's AUPRC exceeds the unit's, and in how many
that is sure, in how many the reverse is, and in how many these images do not tell.
"""

import argparse
import json
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

import cnnviz_jax as cv
from cnnviz_jax.naming import score
from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import CONCEPTS, draw_images, draw_scenes

_AT_ONCE = 500
_PLACES = 24
"""Of an image, by position."""
_DRAWS = 100

By = Literal["image", "position"]
Rows = tuple[Float[np.ndarray, "n units"], Float[np.ndarray, "n codes"], Bool[np.ndarray, "n concepts"]]


def rows_of(model: cv.Model, layer: str, features: cv.Dictionary, count: int, by: By) -> Rows:
    """Return units, features and concepts, a row for each test image, or so many rows for each."""
    random, found = np.random.default_rng(0), []
    for first in range(0, count, _AT_ONCE):
        scenes = draw_scenes(range(first, min(first + _AT_ONCE, count)), split="test")
        values = cv.capture(model, np.stack([scene.image for scene in scenes]), [layer])[layer]
        if by == "image":
            shown = np.array([[name in scene.concepts for name in CONCEPTS] for scene in scenes])
            codes = features.encode(values)
            found.append((values.max((1, 2)), codes.max((1, 2)), shown))
            continue
        side = values.shape[1]
        covered = np.zeros((len(scenes), side, side, len(CONCEPTS)), bool)
        for row, scene in enumerate(scenes):
            for name, mask in scene.concepts.items():
                cells = mask.reshape(side, SIZE_PX // side, side, SIZE_PX // side)
                covered[row, :, :, CONCEPTS.index(name)] = cells.mean((1, 3)) > 0.5
        inner = np.zeros((side, side), bool)
        inner[1:-1, 1:-1] = True  # padding makes features of its own
        places = np.stack([random.permutation(np.flatnonzero(inner))[:_PLACES] for _ in scenes])
        own, shown = (
            np.take_along_axis(each.reshape(len(scenes), side * side, -1), places[..., None], 1).reshape(
                -1, each.shape[-1]
            )
            for each in (values, covered)
        )
        found.append((own, features.encode(own), shown))
    units, codes, shown = (np.concatenate(each) for each in zip(*found, strict=True))
    return units, codes, shown


def chosen(values: Float[np.ndarray, "n k"], shown: Bool[np.ndarray, "n concepts"]) -> Int[np.ndarray, " concepts"]:
    """Return each concept's best column."""
    return np.array([score(column, shown) for column in values.T]).argmax(0)


def interval(
    unit: Float[np.ndarray, " n"], feature: Float[np.ndarray, " n"], shown: Bool[np.ndarray, " n"], each: int
) -> tuple[float, float]:
    """Return the 95 % interval of how far the feature's AUPRC lies above the unit's, by bootstrap over images."""
    random, differences = np.random.default_rng(1), []
    for _ in range(_DRAWS):
        images = random.integers(len(unit) // each, size=len(unit) // each)
        rows = (images[:, None] * each + np.arange(each)).ravel()
        differences.append(score(feature[rows], shown[rows]) - score(unit[rows], shown[rows]))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", default="relu5")
    parser.add_argument("--method", default="topk")
    parser.add_argument("--k", type=int, default=16)
    parser.add_argument("--times", type=int, default=4, help="features for each unit")
    parser.add_argument("--by", choices=("image", "position"), default="image")
    parser.add_argument("--images", type=int, default=6000, help="a half to choose on, a half to score on")
    parser.add_argument("--learned", type=int, default=6000, help="images that the dictionary is learned from")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--key", type=int, default=0)
    options = parser.parse_args()
    model = cv.load_model("shapes")
    features = cv.learn_dictionary(
        options.method, model, draw_images(range(options.learned), split="train")[0], layer=options.layer,
        size=options.times * model.layers[options.layer].channels, k=options.k, steps=options.steps, batch_rows=1024,
        positions=48, key=options.key, progress=False,
    )  # fmt: skip
    units, codes, shown = rows_of(model, options.layer, features, options.images, options.by)
    each = 1 if options.by == "image" else _PLACES
    half = options.images // 2 * each  # image i is of class i mod 10: both halves have all classes alike
    best: list[Any] = [chosen(values[:half], shown[:half]) for values in (units, codes)]
    lines = []
    for k, name in enumerate(CONCEPTS):
        unit, feature, truth = units[half:, best[0][k]], codes[half:, best[1][k]], shown[half:, k]
        low, high = interval(unit, feature, truth, each)
        lines.append({
            "concept": name, "share": round(float(truth.mean()), 3),
            "unit": int(best[0][k]), "unit_auprc": round(float(score(unit, truth)), 4),
            "feature": int(best[1][k]), "feature_auprc": round(float(score(feature, truth)), 4),
            "difference": [round(low, 3), round(high, 3)],
        })  # fmt: skip
        print(json.dumps(lines[-1]), flush=True)
    above, below = (sum(line["difference"][0] > 0 for line in lines), sum(line["difference"][1] < 0 for line in lines))
    by_unit, by_code = (np.array([line[f"{side}_auprc"] for line in lines]) for side in ("unit", "feature"))
    named = ("layer", "method", "k", "times", "by", "images", "steps", "key")
    total = {
        "benchmark": "dictionary_concepts",
        **{name: getattr(options, name) for name in named},
        "concepts": len(CONCEPTS),
        "feature_above_unit": round(float((by_code > by_unit).mean()), 3),
        "surely_above": above,
        "surely_below": below,
        "undecided": len(CONCEPTS) - above - below,
        "mean_unit_auprc": round(float(by_unit.mean()), 3),
        "mean_feature_auprc": round(float(by_code.mean()), 3),
        "metrics": {name: round(value, 3) for name, value in features.metrics.items()},
    }
    print(json.dumps(total))
