"""Guided backpropagation: images per second with default options."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, images = load(options)
evaluations = 1


def run() -> None:
    """Explain all images once."""
    cv.explain("guided-backprop", model, images, target=0)


report("guided-backprop", options, run, len(images), evaluations * len(images))
