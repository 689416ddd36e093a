"""Activation maximisation: images per second with the recipe chollet2016."""

from measure import arguments, load, report

import cnnviz_jax as cv

parser = arguments(__doc__ or "")
parser.add_argument("--layer", default=None, help="layer; the last convolution if not given")
options = parser.parse_args()
model, _ = load(options)
convolutions = [layer.name for layer in model.layers.values() if layer.kind == "conv"]
layer = options.layer or convolutions[-1]
channels = list(range(min(8, model.layers[layer].channels)))


def run() -> None:
    """Make one image per channel."""
    cv.synthesize("activation-maximization", model, layer=layer, channels=channels, recipe="chollet2016")


report("activation-maximization", options, run, len(channels), 20 * len(channels))
