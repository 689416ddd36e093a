"""Ablation-CAM: channels per second with default options."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, images = load(options)
evaluations = model.map_layer().channels


def run() -> None:
    """Explain all images once."""
    cv.explain("ablation-cam", model, images, target=0)


report("ablation-cam", options, run, len(images), evaluations * len(images))
