"""DeepLIFT, GradientSHAP and relevance read at a layer: peers' numbers, closed forms, and what is conserved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explain.known_networks import M_IMAGE, channels_first, layer_of, m_function, net_c, net_m, net_r, wave
from tests.explain.small_network import model, some_images

CLOSED = [[[0.2643635, 0], [0.3448734, 0.1209828]], [[-0.3805471, 0], [-0.1959584, 0]]]
"""At conv2 of net C, where the rest is linear: w / 4 (relu(h) - relu(h')), h' that of black."""


def explained(technique, net, at, image=None, **options):
    return cv.explain(technique, net, wave(0) if image is None else image, 0, at=at, **options)


@pytest.mark.parametrize("kind", ["nhwc", "nchw", "linen"])
def test_deeplift_at_a_layer_is_the_peers_in_every_layout_and_framework(kind):
    # Captum 0.9.0 at pool, a layer whose multipliers go through the ReLU above.
    pooled = explained("deeplift", net_c(kind), layer_of(kind, "pool"))
    np.testing.assert_allclose(pooled.values.sum((0, 1, 2)), [1.6922339, -0.8138992, -0.7246205], atol=5e-6)
    np.testing.assert_allclose(pooled.extras["completeness_gap"], 0, atol=2e-6)
    if kind == "nhwc":
        np.testing.assert_allclose(channels_first(explained("deeplift", net_c(), "conv2").values), CLOSED, atol=2e-6)


@pytest.mark.parametrize("kind", ["nhwc", "nchw"])
def test_deeplift_at_a_layer_with_two_readers(kind):
    found = explained("deeplift", net_r(kind), "relu1", wave(0, 4, 1))
    np.testing.assert_allclose(found.values.sum((0, 1, 2)), [0.2121372, 0.0013444], atol=2e-6)


@pytest.mark.parametrize(("baseline", "expected"), [("zero", [0, -8, -1]), (1.0, [0, -7, -5])])
def test_deeplift_at_a_dense_layer(baseline, expected):
    np.testing.assert_allclose(
        explained("deeplift", net_m(), "first", M_IMAGE, baseline=baseline).values[0], expected, atol=1e-5
    )


def test_relevance_of_a_vector_is_that_of_its_numbers():
    # Captum 0.9.0, LRP with epsilon to 0, of net M at [1, 2, -1, 3].
    params = {
        "first": {
            "kernel": jnp.float32([[1, 0, 2], [-2, 1, 0], [1, -1, 1], [0, 2, -1]]), "bias": jnp.float32([0, -1, 0.5])
        },
        "last": {"kernel": jnp.float32([[1, -1], [-1, 2], [2, 0.5]]), "bias": jnp.float32([0.5, 0])},
    }  # fmt: skip
    vector = cv.adapt(m_function, params, input_shape=(4,))
    found = cv.explain("lrp", vector, M_IMAGE.reshape(1, 4), 0, epsilon=0.0).values
    np.testing.assert_allclose(found, [[0, -2, -1, -6]], atol=1e-5)


def test_deeplift_sums_to_the_difference_of_scores_at_every_layer():
    net = model()
    for layer in net.layers:
        result = cv.explain("deeplift", net, some_images(2), [0, 3], at=layer, baseline=0.4)
        np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=3e-6)


def test_gradient_shap_at_a_layer_has_the_expectation_of_its_formula():
    result = explained("gradient-shap", net_c(), "conv2", baselines=("zero",), samples=3000, chunk=500)
    expected = [[[0.2887921, 0], [0.3615541, 0.1234243]], [[-0.4313152, 0], [-0.251068, 0]]]
    np.testing.assert_allclose(channels_first(result.values), expected, atol=0.012)
    assert dict(result.provenance.notes)["sum"].startswith("nothing exact")


@pytest.mark.parametrize("layer", ["conv1", "relu1", "pool", "conv2", "relu2", "mean", "dense"])
def test_without_epsilon_relevance_is_gradient_times_activation(layer):
    # ReLU, max-pool and mean are homogeneous: relevance of a unit is value times gradient, at every layer.
    relevance = explained("lrp", net_c(), layer, epsilon=0.0)
    product = explained("input-x-gradient", net_c(), layer)
    np.testing.assert_allclose(relevance.values, product.values, atol=3e-6)
    assert relevance.view == "layer"


@pytest.mark.parametrize("kind", ["nhwc", "nchw", "nnx"])
def test_relevance_at_the_pool_is_the_peers_and_that_before_the_relu(kind):
    # Captum 0.9.0; the pool hands all on to the units of conv1 that it takes.
    expected = [2.4245588, -1.1023245, -0.6685201]
    for name in ("pool", "conv1"):
        found = explained("lrp", net_c(kind), layer_of(kind, name), epsilon=0.0)
        np.testing.assert_allclose(found.values.sum((0, 1, 2)), expected, atol=6e-6)
    np.testing.assert_allclose(explained("lrp", net_c(kind), None, epsilon=0.0).values.sum(), -0.2369108, atol=6e-6)


def test_without_biases_every_layer_conserves_the_score():
    net = model()
    for layer in ("conv1", "max_pool", "conv2", "head"):
        result = cv.explain("lrp", net, some_images(2), 1, at=layer, bias=False, epsilon=0.0)
        np.testing.assert_allclose(result.values.reshape(2, -1).sum(1), result.scores, atol=1e-4)


def test_a_residual_branch_and_its_skip_connection_share_the_relevance():
    image = wave(0, 4, 1)
    branch, skip, summed = (
        explained("lrp", net_r(), layer, image, epsilon=0.0).values for layer in ("bn2", "relu1", "add")
    )
    passed = explained("lrp", net_r(), "conv2", image, epsilon=0.0).values
    assert summed.shape == branch.shape == passed.shape
    # All relevance of relu1 comes from the sum: by conv2 and bn2, whose biases keep some, and directly.
    through = explained("lrp", net_r(), "relu1", image, epsilon=0.0, bias=False).values
    whole = explained("lrp", net_r(), "add", image, epsilon=0.0, bias=False).values
    np.testing.assert_allclose(through.sum(), whole.sum(), rtol=1e-3)
    assert abs(float(skip.sum() - summed.sum())) > 1e-3


def test_gradients_at_a_layer_are_those_that_the_product_has_and_rules_change_those_above():
    # From relu1 of net C up there is one more ReLU; guided backprop passes only positive gradients of active units.
    net, image = net_c(), wave(0)
    value = cv.capture(net, image, ["relu1"])["relu1"][0]
    gradient = explained("saliency", net, "relu1").values[0]
    np.testing.assert_allclose(gradient * value, explained("input-x-gradient", net, "relu1").values[0], atol=1e-6)

    def ruled(rule):
        def score(h):
            return net.run(jnp.asarray(image), replace={"relu1": h}, rules={"relu": rule})[0][0]

        return jax.grad(score)(jnp.asarray(value))

    for technique, rule in (("guided-backprop", "guided"), ("deconvnet", "deconv")):
        np.testing.assert_allclose(explained(technique, net, "relu1").values[0], ruled(rule), atol=1e-6)
    # The second ReLU gets gradients of both signs, from the two weights of the class.
    assert not np.allclose(explained("guided-backprop", net, "relu1").values[0], gradient)


def test_deep_taylor_at_a_layer_conserves_the_score():
    result = cv.explain("deep-taylor", model(), some_images(2), 1, at="max_pool")
    np.testing.assert_allclose(result.values.reshape(2, -1).sum(1), result.extras["root"], rtol=1e-4)
    signs = np.sign(result.extras["root"])[:, None]
    assert (signs * result.values.reshape(2, -1) >= -1e-6).all()


def test_tokens_outside_the_grid_are_said_to_carry_a_part():
    net = cv.adapt(with_class_token, jnp.ones((1, 1, 3)), input_shape=(2, 2, 3))
    layer = "tokens"
    assert net.layers[layer].shape == (2, 2, 3)
    result = cv.explain("integrated-gradients", net, some_images(1, 2, 2), 0, at=layer, nodes=3)
    assert "other ways lead round it" in dict(result.provenance.notes)["sum"]
    assert result.values.shape == (1, 2, 2, 3)


def with_class_token(token, x):
    patches = x.reshape(len(x), 4, 3)
    with jax.named_scope("tokens"):
        tokens = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, 3)) + x.mean((1, 2))[:, None], patches], 1)
    return (tokens**2).sum(1)
