"""Filters: readings per second; nothing is evaluated."""

import cnnviz_jax as cv
from measure import arguments, load, report

options = arguments(__doc__ or "").parse_args()
model, _ = load(options)


def run() -> None:
    """Read the model once."""
    cv.inspect("filters", model)


report("filters", options, run, 1, 1)
