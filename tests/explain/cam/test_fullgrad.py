"""FullGrad: gradients times input and biases are the whole score, for every kind of bias a program has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from tests.explain import oneconv_network as oneconv
from tests.explain import small_network as small


class Normed(nnx.Module):
    """Convolutions with BatchNorm whose statistics are not 0 and 1, a skip, and a smooth activation."""

    def __init__(self, activation):
        rngs = nnx.Rngs(0)
        self.conv1 = nnx.Conv(3, 4, (3, 3), use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.conv2 = nnx.Conv(4, 4, (3, 3), rngs=rngs)
        self.bn2 = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)
        for number, norm in enumerate((self.bn1, self.bn2)):
            rng = np.random.default_rng(number)
            norm.mean[...] = jnp.asarray(rng.normal(size=4), jnp.float32)
            norm.var[...] = jnp.asarray(rng.uniform(0.5, 2, size=4), jnp.float32)
            norm.bias[...] = jnp.asarray(rng.normal(size=4), jnp.float32)
        self.head.bias[...] = jnp.array([0.5, -0.5, 0.25])
        self.activation = activation

    def __call__(self, x):
        x = self.activation(self.bn1(self.conv1(x)))
        x = self.activation(x + self.bn2(self.conv2(x)))
        return self.head(x.mean((1, 2)))


@pytest.mark.parametrize("activation", [nnx.relu, nnx.relu6, nnx.silu], ids=["relu", "relu6", "silu"])
def test_all_terms_together_are_the_score(activation):
    net = cv.adapt(Normed(activation), input_shape=(5, 4, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    images = small.some_images(2, 5, 4)
    result = cv.explain("fullgrad", net, images, 1)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=2e-5)
    total = result.extras["input_sum"] + result.extras["bias_sums"].sum(1)
    np.testing.assert_allclose(total, np.asarray(net(images))[:, 1], atol=2e-5)
    layers = dict(result.provenance.notes)["bias_layers"]
    assert {"bn1", "conv2", "bn2", "head"} <= set(layers)
    assert "conv1" not in layers  # it has no bias
    assert np.abs(result.extras["bias_sums"]).max() > 0.1


def test_oneconv_by_hand():
    result = cv.explain("fullgrad", oneconv.model("nhwc"), oneconv.A, 0, rescale="none", signed=True)
    # Gradient 1 on [0,1,1,1] rows 0 to 2: 1+2+3+5+6+7+9+10+11 = 54 = the score; the biases -50 x 3 and -75 x -2
    # of the active units cancel.
    np.testing.assert_allclose(result.extras["input_sum"], 54)
    np.testing.assert_allclose(result.extras["bias_sums"], [[0]], atol=1e-4)


def test_equals_a_slow_loop():
    net, image = small.model(), small.some_images(1)
    params = small.parameters()

    def logit(pixels, biases):
        changed = {name: {**layer, "bias": layer["bias"] + biases[name]} for name, layer in params.items()}
        return small.forward(changed, pixels)[0, 1]

    result = cv.explain("fullgrad", net, image, 1)
    slope = np.asarray(jax.grad(logit)(jnp.asarray(image), {name: jnp.float32(0) for name in params}))[0]

    def shown(term):
        term = np.abs(term)
        unit = (term - term.min()) / (term.max() - term.min())
        return np.asarray(jax.image.resize(unit, (*image.shape[1:3], unit.shape[-1]), "linear")).sum(-1)

    expected = shown(image[0] * slope)
    for name in ("conv1", "conv2"):
        # d score / d layer, unit by unit: the hook is a bias of its own for every unit
        activations = cv.capture(net, image, [name])[name][0]

        def at(delta, name=name):
            return net.score(jnp.asarray(image[0]), cv.targets.class_score(1), add={name: delta})[0]

        expected = expected + shown(
            np.asarray(params[name]["bias"]) * np.asarray(jax.grad(at)(jnp.zeros(activations.shape)))
        )
    np.testing.assert_allclose(result.values[0], expected, rtol=1e-3, atol=1e-4)


def test_rescaling_by_channel_lets_every_channel_reach_1():
    values = cv.explain("fullgrad", oneconv.model("nhwc"), oneconv.A, 0, rescale="channel").values
    # the input's term is |x| where the gradient is 1, its maximum 11; both channels of the bias run from 0 to 1
    assert values.max() <= 3 + 1e-6
    np.testing.assert_allclose(values[0, 3, 3], 2, atol=1e-6)


def test_says_when_signs_and_scales_do_not_go_together():
    with pytest.raises(cv.errors.UsageError, match="signed terms cannot be rescaled"):
        cv.explain("fullgrad", small.model(), small.some_images(1), 1, signed=True)
