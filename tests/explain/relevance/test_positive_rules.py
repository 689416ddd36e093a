"""Excitation backprop and deep Taylor: relevance by positive shares alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, LayerNotFoundError, RuleError, TargetError, UsageError
from tests.explain import small_network as small

from .networks import of_parts, two_layers


def test_a_walk_goes_on_by_positive_shares():
    # 2 pixels -> 2 ReLU units -> 1 score, by hand: the units hold 1 and 2; the walk takes 1/3 and 2/3 of the way.
    def forward(params, x):
        return jax.nn.relu(x.reshape(len(x), -1) @ params["hidden"]) @ params["head"]

    params = {"hidden": jnp.array([[1.0, 2.0], [0.0, -1.0]]), "head": jnp.array([[1.0, -3.0], [1.0, 0.0]])}
    net = cv.adapt(forward, params, input_shape=(1, 2, 1))
    result = cv.explain("excitation-backprop", net, np.array([[[1.0], [0.0]]], np.float32), 0)
    np.testing.assert_allclose(result.values[0], [[1, 0]], atol=1e-6)
    params = {**params, "hidden": jnp.array([[1.0, 0.5], [0.0, 1.5]])}
    result = cv.explain("excitation-backprop", net.with_params(params), np.ones((1, 2, 1), np.float32), 0)
    np.testing.assert_allclose(result.values[0], [[1 / 3 + 2 / 3 / 4, 2 / 3 * 3 / 4]], atol=1e-6)


def test_equals_slow_loops_over_the_walk():
    net, params = two_layers()
    image = small.some_images(1, 5, 4, 2)
    hidden = np.asarray(net.run(jnp.asarray(image[0]), read=("relu",))[1]["relu"])
    x = (image[0] - np.array([0.4, 0.6])) / np.array([0.5, 0.25])
    kernel, head = np.asarray(params["conv"]["kernel"]), np.asarray(params["head"]["kernel"])[:, 1].reshape(3, 2, 3)
    above = np.maximum(hidden * head, 0)
    above = above / above.sum()
    expected = np.zeros((5, 4))
    for row, column, unit in np.ndindex(3, 2, 3):
        window = (slice(row, row + 3), slice(column, column + 3))
        share = np.maximum(x[window] * kernel[..., unit], 0)
        expected[window] += (share / share.sum() * above[row, column, unit]).sum(-1)
    found = cv.explain("excitation-backprop", net, image, 1)
    np.testing.assert_allclose(found.values[0], expected, atol=1e-5)


def test_contrast_with_the_opposite_by_hand():
    # Units hold 1 and 2; the class takes the first by +3, its opposite the second by -(-1): 1 against 1, there.
    def forward(params, x):
        return jax.nn.relu(x.reshape(len(x), -1) @ params["hidden"]) @ params["head"]

    params = {"hidden": jnp.array([[1.0, 0.5], [0.0, 1.5]]), "head": jnp.array([[3.0], [-1.0]])}
    net = cv.adapt(forward, params, input_shape=(1, 2, 1))
    result = cv.explain("excitation-backprop", net, np.ones((1, 2, 1), np.float32), 0, contrastive=True)
    np.testing.assert_allclose(result.extras["before_relu"][0], [[1 - 1 / 4, -3 / 4]], atol=1e-6)
    np.testing.assert_allclose(result.values[0], [[3 / 4, 0]], atol=1e-6)


@pytest.mark.parametrize("layer", [None, "conv2"])
def test_contrast_is_the_difference_of_two_walks_and_sums_to_nothing(layer):
    images, net = small.some_images(2), small.model()
    params = {**net.params, "head": {**net.params["head"], "kernel": -net.params["head"]["kernel"]}}
    walks = [cv.explain("excitation-backprop", each, images, 2, layer=layer) for each in (net, net.with_params(params))]
    one, other = (walk.values if layer is None else walk.low_res for walk in walks)
    result = cv.explain("excitation-backprop", net, images, 2, layer=layer, contrastive=True)
    np.testing.assert_allclose(result.extras["before_relu"], one - other, atol=1e-5)
    np.testing.assert_allclose(result.extras["before_relu"].sum((1, 2)), 0, atol=1e-4)
    assert dict(result.provenance.notes)["negated"] == "head"


def test_contrast_tells_classes_apart_where_plain_walks_hardly_do():
    images, net = small.some_images(3), small.model()

    def likeness(**options):
        one, other = (cv.explain("excitation-backprop", net, images, k, **options) for k in (0, 1))
        a, b = (np.asarray(each.extras.get("before_relu", each.values)).ravel() for each in (one, other))
        return np.corrcoef(a, b)[0, 1]

    assert likeness(contrastive=True) < likeness() - 0.3


@pytest.mark.parametrize("layer", [None, "conv2", "max_pool"])
def test_probabilities_sum_to_one_at_the_image_and_at_any_layer(layer):
    result = cv.explain("excitation-backprop", small.model(), small.some_images(3), 2, layer=layer)
    found = result.values if layer is None else result.low_res
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum((1, 2)), 1, atol=1e-4)
    assert result.values.shape == (3, 12, 10)


def test_deep_taylor_is_that_composite_of_lrp_and_of_one_sign():
    images = small.some_images(2)
    result = cv.explain("deep-taylor", small.model(), images, 1)
    expected = cv.explain("lrp", small.model(), images, 1, composite="deep-taylor", bias=False)
    np.testing.assert_array_equal(result.values, expected.values)
    assert (result.values * np.sign(result.scores)[:, None, None, None]).min() >= 0
    np.testing.assert_allclose(result.values.sum((1, 2, 3)), result.scores, rtol=1e-3)


def test_deep_taylor_refuses_other_activations_by_name():
    with pytest.raises(RuleError, match=r"deep-taylor is derived for ReLU networks, and parts has .*silu \(silu\)"):
        cv.explain("deep-taylor", of_parts(), small.some_images(1, 9, 7), 0)


@pytest.mark.parametrize(
    ("technique", "options", "error", "text"),
    [
        ("excitation-backprop", {"layer": "conv3"}, LayerNotFoundError, "no layer 'conv3' in small"),
        ("excitation-backprop", {"layer": "head"}, LayerKindError, "layer 'head' of small is no map"),
        ("excitation-backprop", {"contrastive": True, "target": "unit"}, TargetError, "it explains scores only"),
        ("deep-taylor", {"epsilon": -1.0}, UsageError, "epsilon is a number from 0 on"),
    ],
)
def test_says_what_is_wrong(technique, options, error, text):
    is_unit = options.pop("target", None) == "unit"
    with pytest.raises(error, match=text):
        cv.explain(
            technique,
            small.model(),
            small.some_images(1),
            cv.targets.channel("conv1", 1) if is_unit else 0,
            **options,
        )


@pytest.mark.parametrize("technique", ["excitation-backprop", "deep-taylor"])
def test_nothing_is_nan_on_constant_images(technique):
    images = np.stack([np.full((12, 10, 3), level, np.float32) for level in (0, 0.5, 1)])
    assert np.isfinite(cv.explain(technique, small.model(), images, 3).values).all()
