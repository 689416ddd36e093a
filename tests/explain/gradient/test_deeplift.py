"""DeepLIFT's rescale rule: cases by hand, a NumPy loop, and shares that sum to the difference of scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_plugins.explain.gradient.deeplift import deeplift_map
from tests.explain.small_network import model, some_images


def deeplift(net, image, target=0, **options):
    return cv.explain("deeplift", net, image, target, **options)


def test_a_saturated_sum_is_shared_where_the_gradient_is_zero():
    # The paper's figure 1: y = 1 - relu(1 - (a + b)) at (1, 1).
    net = cv.adapt(lambda p, x: 1 - jax.nn.relu(1 - x.sum((1, 2, 3)))[:, None], {}, input_shape=(1, 2, 1))
    image = np.ones((1, 2, 1), np.float32)
    assert not np.asarray(cv.explain("saliency", net, image, 0).values).any()
    result = deeplift(net, image)
    np.testing.assert_allclose(result.values.ravel(), [0.5, 0.5])
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=1e-6)


def pooled(params, x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID").sum((1, 2, 3))[:, None]


@pytest.mark.parametrize(
    ("image", "reference", "shares"),
    [
        # The winner rises above what the reference gave: all of the rise is its own.
        ([[1, 3], [0, 2]], [[2, 0], [0, 0]], [[0, 1], [0, 0]]),
        # Nothing reaches what the reference gave: the loss is that of the reference's winner.
        ([[1, 0], [0, 2]], [[0, 5], [0, 0]], [[0, -3], [0, 0]]),
    ],
)
def test_a_max_pool_shares_by_both_winners(image, reference, shares):
    net = cv.adapt(pooled, {}, input_shape=(2, 2, 1))
    x, x0 = (jnp.asarray(each, jnp.float32)[..., None] for each in (image, reference))
    target = targets.class_score(0)
    np.testing.assert_allclose(deeplift_map(net, x, x0, target, epsilon=1e-6)[..., 0], shares, atol=1e-6)


def mlp(params, x):
    x = x.reshape(len(x), -1)
    for weight in params[:-1]:
        x = jnp.tanh(jax.nn.relu(x @ weight))
    return x @ params[-1]


def test_equals_a_numpy_loop_over_the_layers_of_a_perceptron():
    random = np.random.default_rng(3)
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((6, 7), (7, 5), (5, 3))]
    net = cv.adapt(mlp, [jnp.asarray(w) for w in weights], input_shape=(2, 3, 1))
    image = some_images(1, 2, 3, 1)[0]
    x, x0 = image.ravel().astype(float), np.full(6, 0.5)
    steps = []
    for weight in weights[:-1]:
        for linear, function in ((weight, lambda z: np.maximum(z, 0)), (None, np.tanh)):
            z, z0 = (x, x0) if linear is None else (x @ linear, x0 @ linear)
            y, y0 = function(z), function(z0)
            quotient = [
                (a - b) / (c - d) if abs(c - d) > 1e-6 else 0.0 for a, b, c, d in zip(y, y0, z, z0, strict=True)
            ]
            steps.append((linear, np.asarray(quotient)))
            x, x0 = y, y0
    multiplier = weights[-1][:, 1].astype(float)
    for linear, quotient in reversed(steps):
        multiplier = multiplier * quotient
        multiplier = multiplier if linear is None else linear @ multiplier
    result = deeplift(net, image, 1, baseline=0.5)
    np.testing.assert_allclose(result.values.ravel(), multiplier * (image.ravel() - 0.5), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("baseline", ["zero", 0.7, "blur(2)"])
def test_shares_sum_to_the_difference_of_scores(baseline):
    result = deeplift(model(), some_images(3), [0, 1, 2], baseline=baseline)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=2e-6)
    assert dict(result.provenance.notes)["rescaled"] == ("relu", "max_pool", "relu#1")
    assert not result.warnings


def test_an_image_equal_to_its_reference_has_no_shares():
    result = deeplift(model(), np.full((1, 12, 10, 3), 0.5, np.float32), baseline=0.5)
    assert not np.asarray(result.values).any()


def test_a_probability_is_not_complete_and_that_is_told():
    target = targets.class_score(1, "probability")
    net = cv.adapt(lambda p, x: 20 * x.mean((1, 2)), {}, input_shape=(3, 3, 3))
    result = deeplift(net, some_images(1, 3, 3, 3) * np.float32([0.1, 1, 0.3]), target)
    assert any("miss the difference" in warning for warning in result.warnings)
