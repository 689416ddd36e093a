"""Guided backpropagation and DeconvNet: every true ReLU is found however it is written, and none is an error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import RuleError
from tests.explain.small_network import parameters, some_images


def network(first, second):
    """Two dense layers with the activations given, on a 2 x 2 image."""

    def forward(params, x):
        hidden = first(x.reshape(len(x), -1) @ params["a"])
        return second(hidden @ params["b"]) @ params["c"]

    rng = np.random.default_rng(3)
    shapes = {"a": (12, 9), "b": (9, 7), "c": (7, 2)}
    params = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    return cv.adapt(forward, params, input_shape=(2, 2, 3), name="dense"), params


def by_hand(params, image, rule):
    """The rule's backward pass, written out."""
    x = np.asarray(image, np.float64).reshape(-1)
    a, b, c = (np.asarray(params[name], np.float64) for name in "abc")
    u = x @ a
    v = np.maximum(u, 0) @ b
    back = np.maximum(c[:, 0], 0) * ((v > 0) if rule == "guided-backprop" else 1)
    back = np.maximum(b @ back, 0) * ((u > 0) if rule == "guided-backprop" else 1)
    return (a @ back).reshape(image.shape)


RELUS = {
    "functional": (jax.nn.relu, jax.nn.relu),
    "jitted": (jax.jit(lambda x: jnp.maximum(x, 0)), jax.jit(jax.nn.relu)),
    "where": (lambda x: jnp.where(x > 0, x, 0), lambda x: jnp.maximum(x, 0.0)),
}
_shared = jax.jit(jax.nn.relu)
RELUS["re-used"] = (_shared, _shared)


@pytest.mark.parametrize("rule", ["guided-backprop", "deconvnet"])
@pytest.mark.parametrize("spelling", RELUS)
def test_every_spelling_of_a_relu_follows_the_rule(spelling, rule):
    net, params = network(*RELUS[spelling])
    image = some_images(1, 2, 2, 3)[0] - 0.5
    result = cv.explain(rule, net, image, 0)
    np.testing.assert_allclose(result.values[0], by_hand(params, image, rule), rtol=1e-4, atol=1e-5)
    assert len(dict(result.provenance.notes)["rewritten"]) == 2


@pytest.mark.parametrize("rule", ["guided-backprop", "deconvnet"])
def test_a_network_without_a_relu_is_refused_by_name_of_what_it_has(rule):
    net, _ = network(jax.nn.silu, jax.nn.gelu)
    with pytest.raises(RuleError, match=f"{rule} rewrites ReLUs, and dense has none .*gelu.*silu"):
        cv.explain(rule, net, some_images(1, 2, 2, 3), 0)


def test_an_activation_without_an_agreed_rule_passes_through_with_a_warning():
    net, _ = network(jax.nn.relu, jax.nn.silu)
    result = cv.explain("guided-backprop", net, some_images(1, 2, 2, 3), 0)
    assert any("no agreed rule" in warning and "silu" in warning for warning in result.warnings)
    assert len(dict(result.provenance.notes)["rewritten"]) == 1


def test_a_map_that_the_relu_removed_says_so():
    params = parameters()
    params["head"] = {"kernel": -jnp.abs(params["head"]["kernel"]), "bias": params["head"]["bias"]}
    from tests.explain.small_network import forward

    net = cv.adapt(forward, params, input_shape=(12, 10, 3))
    result = cv.explain("grad-cam", net, some_images(1), 0)
    assert not np.asarray(result.values).any()
    assert "the ReLU removed a negative map" in " ".join(result.warnings)
