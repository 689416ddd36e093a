"""Occlusion: windows per second with default options."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, images = load(options)
grid = cv.explain("occlusion", model, images[:1], target=0).low_res
evaluations = grid[0].size


def run() -> None:
    """Explain all images once."""
    cv.explain("occlusion", model, images, target=0)


report("occlusion", options, run, len(images), evaluations * len(images))
