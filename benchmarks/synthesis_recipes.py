"""Every recipe on a model: the activation reached by 16 units, against the maximum over a data set.

Prints one JSON line per recipe. Some read a unit before its ReLU, so that even a maximum may be below zero.
The images of `shapes` are its own, made from a seed; for others name a folder.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import cnnviz_jax as cv
from cnnviz_plugins.synthesize.recipes import RECIPES

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="shapes", help="a registered model")
parser.add_argument("--weights", default=None, help="its weights file, if it ships none")
parser.add_argument("--layer", default=None, help="layer whose units are raised; the last convolution if not given")
parser.add_argument("--units", type=int, default=16, help="how many")
parser.add_argument("--size", type=int, default=64, help="side of the canvas in pixels")
parser.add_argument("--recipes", default=",".join(RECIPES), help="names joined by commas")
parser.add_argument("--steps", type=int, default=None, help="in place of each recipe's own")
parser.add_argument("--views", type=int, default=None, help="in place of each recipe's own")
parser.add_argument("--images", type=int, default=256, help="exemplars, of a model that makes its own")
parser.add_argument(
    "--folder",
    default=None,
    help="exemplars, for other models: a folder of images, or an .npz with `images`",
)
parser.add_argument("--out", default=None, help="folder for one grid per recipe")
options = parser.parse_args()

model = cv.load_model(options.model, options.weights)
if options.folder is None:
    exemplars, _ = cv.example_images(options.model, options.images)
elif options.folder.endswith(".npz"):
    exemplars = np.load(options.folder)["images"].astype(np.float32) / 255
else:
    files = sorted(path for path in Path(options.folder).iterdir() if path.suffix in (".png", ".jpg", ".jpeg"))
    exemplars = np.stack([cv.load_image(path, model) for path in files])
layer = options.layer or [each.name for each in model.layers.values() if each.kind == "conv" and each.is_map][-1]
for recipe in options.recipes.split(","):
    begun = time.perf_counter()
    made = cv.synthesize(
        "activation-maximization", model, layer=layer, channels=list(range(options.units)), recipe=recipe,
        size=options.size, steps=options.steps, views=options.views, exemplars=exemplars,
    )  # fmt: skip
    live = np.asarray([status == "ok" for status in made.status])
    most = made.extras["exemplar_maximum"]
    line = {
        "recipe": recipe,
        "model": options.model,
        "layer": layer,
        "status": {word: made.status.count(word) for word in sorted(set(made.status))},
        "rose": int((made.activation > made.curves[:, 0]).sum()),
        "live": int(live.sum()),
        "live_above_maximum": int((made.activation[live] > most[live]).sum()),
        "reached": [round(float(value), 2) for value in made.activation],
        "maximum": [round(float(value), 2) for value in most],
        "elapsed_s": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(line), flush=True)
    if options.out:
        Path(options.out).mkdir(exist_ok=True)
        cv.render(made, Path(options.out) / f"{options.model}-{recipe}.png", renderer="grid")
