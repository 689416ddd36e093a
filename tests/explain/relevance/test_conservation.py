"""Relevance that should arrive as it went in: a warning where it grew or went, none where it is conserved."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError
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


def cancelling(depth):
    """A network of `depth` layers, each of which gives 1e-5 of what its summands are, and a bias that makes it 1."""
    kernel = jnp.array([[1.0, -0.99999], [-0.99999, 1.0]], jnp.float32)

    def network(layers, x):
        value = x.reshape(len(x), -1)
        for kernel, bias in layers:
            value = value @ kernel + bias
        return value

    layers = [(kernel, jnp.full(2, 1 - 1e-5, jnp.float32)) for _ in range(depth)]
    return cv.adapt(network, layers, input_shape=(1, 2, 1), name="cancelling")


def test_relevance_that_overflows_is_refused_with_the_cause_and_what_helps():
    image = np.ones((1, 1, 2, 1), np.float32)
    grown = cv.explain("lrp", cancelling(2), image, 0, bias=False)
    assert 1e8 < np.abs(grown.values).max() < 1e12  # each layer multiplies by 2e5
    cause = (
        "lrp gave values that are not finite for image 0: 1 went in and grew past what 32 bits hold, as sums near zero"
    )
    with pytest.raises(ModelError, match=cause + r".*\(bias=True\), a larger epsilon or a composite such as z\+"):
        cv.explain("lrp", cancelling(12), image, 0, bias=False)
    for helps in ({"bias": True}, {"bias": False, "epsilon": 1.0}, {"bias": False, "composite": "z+"}):
        assert np.isfinite(cv.explain("lrp", cancelling(12), image, 0, **helps).values).all(), helps
