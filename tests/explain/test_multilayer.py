"""Captum's published numbers on its network MultiLayer, whose input is a vector of three.

Source: Captum, `captum/testing/helpers/basic_models.py` (BSD-3).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv


def multilayer(params, x):
    y = x.reshape(len(x), 3)
    with jax.named_scope("linear0"):
        y = y @ params["linear0"]
    with jax.named_scope("linear1"):
        y = y @ params["linear1"]["kernel"] + params["linear1"]["bias"]
    y = jax.nn.relu(y)
    with jax.named_scope("linear2"):
        return y @ params["linear2"]["kernel"] + params["linear2"]["bias"]


@pytest.fixture(scope="module")
def net():
    params = {
        "linear0": jnp.eye(3),
        "linear1": {"kernel": jnp.ones((3, 4)), "bias": jnp.array([-10.0, 1, 1, 1])},
        "linear2": {"kernel": jnp.ones((4, 2)), "bias": jnp.array([-1.0, 1])},
    }
    return cv.adapt(multilayer, params, input_shape=(1, 3, 1))


def vector(*numbers):
    return np.asarray(numbers, np.float32).reshape(1, 3, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"window": (1, 1), "stride": 1, "fill": 0.0}, [80, 200, 120]),
        ({"window": (1, 2), "stride": 1, "fill": 10.0}, [200, 220, 240]),
        ({"window": (1, 2), "stride": (1, 2), "fill": 0.0, "edge": "truncate"}, [280, 280, 120]),
    ],
)
def test_occlusion_of_a_vector(net, options, expected):
    heat = cv.explain("occlusion", net, vector(20, 50, 30), 0, gather="average", **options).values
    np.testing.assert_allclose(np.asarray(heat)[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "unit", "image", "expected"),
    [
        ("linear2", 0, (0, 100, 0), [4, 4, 4]),
        # 0 + 5 + 4 - 10 < 0 switches the first of the four hidden units off.
        ("linear2", 0, (0, 5, 4), [3, 3, 3]),
        ("relu", 0, (0, 5, 4), [0, 0, 0]),
        ("relu", 1, (0, 5, 4), [1, 1, 1]),
        ("linear1", 0, (0, 5, 4), [1, 1, 1]),
    ],
)
def test_neuron_gradient(net, layer, unit, image, expected):
    heat = cv.explain("saliency", net, vector(*image), cv.targets.neuron(layer, 0, 0, unit)).values
    np.testing.assert_allclose(np.asarray(heat).ravel(), expected)


def test_activations(net):
    activations = cv.capture(net, vector(0, 100, 0), ["linear1", "linear2"])
    np.testing.assert_allclose(activations["linear1"][0], [90, 101, 101, 101])
    np.testing.assert_allclose(activations["linear2"][0], [392, 394])
