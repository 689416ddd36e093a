"""Parameters spread over a mesh stay spread, and every verb gives the numbers of one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import cnnviz_jax as cv
from cnnviz_jax.errors import WeightsError

SPREAD = {"conv1": (None, None, None, "model"), "bias": ("model",), "conv2": (None, None, "model"), "head": ("model",)}


def network(params, x):
    def conv(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    with jax.named_scope("conv1"):
        x = jax.nn.relu(conv(x, params["conv1"]) + params["bias"])
    with jax.named_scope("conv2"):
        x = jax.nn.relu(conv(x, params["conv2"]))
    return x.mean((1, 2)) @ params["head"]


def parameters():
    rng = np.random.default_rng(0)
    shapes = {"conv1": (3, 3, 3, 8), "bias": (8,), "conv2": (3, 3, 8, 16), "head": (16, 4)}
    return {name: jax.device_put(rng.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}


def spread(params):
    mesh = Mesh(np.array(jax.devices()), ("model",))
    places = {name: NamedSharding(mesh, PartitionSpec(*SPREAD[name])) for name in params}
    return {name: jax.device_put(leaf, places[name]) for name, leaf in params.items()}


@pytest.fixture(scope="module")
def pair():
    params = parameters()
    whole, parts = (cv.adapt(network, p, input_shape=(8, 8, 3)) for p in (params, spread(params)))
    assert all(leaf.sharding.spec == PartitionSpec(*SPREAD[name]) for name, leaf in parts.params.items())
    return whole, parts


IMAGES = np.random.default_rng(1).random((2, 8, 8, 3), np.float32)


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("saliency", {}),
        ("grad-cam", {}),
        ("integrated-gradients", {}),
        ("lrp", {}),
        ("occlusion", {"window": 3, "stride": 2}),
        ("smoothgrad", {"samples": 3}),
    ],
)
def test_an_explanation_equals_that_of_one_device(pair, technique, options):
    one, many = (cv.explain(technique, model, IMAGES, 0, **options).values for model in pair)
    assert np.allclose(one, many, atol=1e-5 * np.abs(one).max())
    assert np.abs(one).max() > 0


def test_scores_equal_those_of_one_device(pair):
    one, many = (np.asarray(model(IMAGES)) for model in pair)
    assert np.allclose(one, many, rtol=1e-5)


def test_synthesis_equals_that_of_one_device(pair):
    options = {"layer": "conv2", "channels": [0, 3], "steps": 3, "size": 8}
    one, many = (cv.synthesize("activation-maximization", model, **options).images for model in pair)
    assert np.allclose(one, many, atol=1e-4)


def test_a_survey_equals_that_of_one_device(pair):
    one, many = (cv.survey("exemplars", model, IMAGES, layer="conv2", k=1).value for model in pair)
    assert np.allclose(one, many, rtol=1e-5)


def test_a_number_that_is_not_finite_is_found_where_it_lies():
    params = spread({**parameters(), "bias": jnp.full((8,), jnp.nan)})
    with pytest.raises(WeightsError, match="bias"):
        cv.adapt(network, params, input_shape=(8, 8, 3))
