"""Relevance that should arrive as it went in: a warning where it grew or went, none where it is conserved."""

import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.results.attribution import Heatmap
from cnnviz_jax.verbs.findings import _not_conserved


def relevance(small, **options):
    """LRP of two dense layers, the first of which gives a sum of the size of `small`."""
    params = {"first": jnp.full((4, 1), small / 4, jnp.float32), "second": jnp.array([[1.0, 0.0]], jnp.float32) / small}
    model = cv.adapt(
        lambda p, x: x.reshape(len(x), -1) @ p["first"] @ p["second"], params, input_shape=(2, 2, 1), name="chain"
    )
    return cv.explain("lrp", model, np.ones((1, 2, 2, 1), np.float32), 0, bias=False, **options)


def test_a_sum_as_small_as_epsilon_loses_relevance_and_that_is_told():
    lost = relevance(1e-6, epsilon=1e-6)
    assert [text for text in lost.warnings if "relevance is not conserved for image 0: 1 went in and 0.5 came" in text]
    kept = relevance(1.0, epsilon=1e-6)
    assert not [text for text in kept.warnings if "conserved" in text]


def test_relevance_that_grew_is_told_with_what_holds_it_together():
    extras = {"root": [2.0, 2.0], "conservation_gap": [0.01, 1e15], "conservation_tolerance": [0.05, 0.05]}
    heatmap = Heatmap(values=np.zeros((2, 4, 4), np.float32), extras={n: np.array(v) for n, v in extras.items()})
    (told,) = _not_conserved(heatmap)
    assert told.startswith("relevance is not conserved for image 1: 2 went in and 1e+15 came out: sums near zero")
