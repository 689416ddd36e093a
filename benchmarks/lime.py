"""LIME: covered images per second with default options."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, images = load(options)
evaluations = 1000


def run() -> None:
    """Explain all images once."""
    cv.explain("lime", model, images, target=0)


report("lime", options, run, len(images), evaluations * len(images))
