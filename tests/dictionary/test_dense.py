"""A layer without a map has features too: one row for each image."""

import numpy as np

import cnnviz_jax as cv

from .colours import images, model


def test_features_of_a_layer_without_a_map():
    scores = list(model().layers)[-1]
    assert len(model().layers[scores].shape) == 1
    made = cv.learn_dictionary("semi-nmf", model(), images(), layer=scores, size=3, iterations=5, progress=False)
    assert made.row_count + made.held_out_count == len(images())
    wider = model().with_dictionary(made)
    codes = cv.capture(wider, images()[:4], [f"{scores}/dictionary"])[f"{scores}/dictionary"]
    assert codes.shape == (4, 3)
    found = cv.feature_importance(model(), made, images()[:2], progress=False)
    np.testing.assert_allclose(found.gradient.sum(1) + found.offset + found.error, found.scores, rtol=1e-4, atol=1e-4)
