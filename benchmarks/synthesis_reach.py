"""How many units a synthesised image excites, somewhere in it, more than any of 64 example images does.

Prints one line per convolution: of its first units, how many; the share; least and median of (peak in the synthesised
image) / (peak over the example images), where that is above 0; CPU seconds. Everything is the default of
`activation-maximization`, as in the quickstart and the report, unless said. The figures are worth a look: `--out`.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import cnnviz_jax as cv

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default="shapes", help="a registered model that ships images")
parser.add_argument("--layers", default=None, help="names joined by commas; all convolutions if not given")
parser.add_argument("--units", type=int, default=16, help="how many of a layer, from the first")
parser.add_argument("--images", type=int, default=64, help="example images")
parser.add_argument("--recipe", default=None, help="the technique's default if not given")
parser.add_argument("--steps", type=int, default=None, help="the recipe's own if not given")
parser.add_argument("--seed", type=int, default=0, help="of the first images")
parser.add_argument("--out", type=Path, default=None, help="folder for one figure per layer")
options = parser.parse_args()

model = cv.load_model(options.model)
examples, _ = cv.example_images(options.model, options.images)
convolutions = [layer.name for layer in model.layers.values() if layer.kind == "conv" and layer.is_map]
asked = {} if options.recipe is None else {"recipe": options.recipe}
asked |= {} if options.steps is None else {"steps": options.steps}
for layer in options.layers.split(",") if options.layers else convolutions:
    channels = list(range(min(options.units, model.layers[layer].channels)))
    began = time.process_time()
    made = cv.synthesize("activation-maximization", model, layer=layer, channels=channels, key=options.seed, **asked)
    cpu_s = time.process_time() - began
    (read,) = dict(made.provenance.notes)["tap"]  # the peaks of both are of the same values
    most = np.asarray(cv.capture(model, examples, [read])[read]).max((0, 1, 2))[channels]
    peaks = made.extras["peak"]
    ratios = peaks[most > 0] / most[most > 0]
    line = f"{layer}: {(peaks > most).sum()} of {len(channels)} units, {(peaks > most).mean():.0%}"
    if ratios.size:
        line += f"; peak over the examples' most: least {ratios.min():.2f}, median {np.median(ratios):.2f}"
    print(
        f"{line}; {dict(made.provenance.notes)['recipe']}, {made.curves.shape[1]} steps, {cpu_s:.1f} CPU s", flush=True
    )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        cv.render(made, options.out / f"{options.model}-{layer}.png", limit=len(channels))
