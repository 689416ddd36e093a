"""Extremal perturbation: steps per second with default options."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, images = load(options)
evaluations = 800


def run() -> None:
    """Explain all images once."""
    cv.explain("extremal-perturbation", model, images, target=0)


report("extremal-perturbation", options, run, len(images), evaluations * len(images))
