"""Receptive field: readings per second; nothing is evaluated."""

from measure import arguments, load, report

import cnnviz_jax as cv

options = arguments(__doc__ or "").parse_args()
model, _ = load(options)


def run() -> None:
    """Read the model once."""
    cv.inspect("receptive-field", model)


report("receptive-field", options, run, 1, 1)
