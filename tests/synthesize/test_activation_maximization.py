"""Activation maximisation by the recipe chollet2016, against the script's own loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import ModelError, TargetError, UsageError
from tests.explain.small_network import forward, model, parameters


def synthesize(net=None, **options):
    return cv.synthesize(
        "activation-maximization", net or model(), **{"recipe": "chollet2016", "size": (12, 10), "key": 2, **options}
    )


def test_takes_the_steps_of_the_script():
    net = model()
    result = synthesize(layer="conv2", channels=[3], steps=4, tap="layer")
    start = synthesize(layer="conv2", channels=[3], steps=1, tap="layer")

    def loss(image255):
        return net.run(image255 / 255, read=("conv2",), need_outputs=False)[1]["conv2"][..., 3].mean()

    # The state before the first step is found by taking one step back along the first gradient.
    first = 255 * start.raw[0]
    x = None
    for guess in (first,):
        before = np.asarray(guess, np.float64)
        for _ in range(20):  # fixed point: before + step(before) = after
            grads = np.asarray(jax.grad(loss)(jnp.asarray(before, jnp.float32)), np.float64)
            before = guess - grads / (np.sqrt(np.mean(grads**2)) + 1e-5)
        x = before
    assert x.min() > 117.9
    assert x.max() < 138.1
    for _ in range(4):
        grads = np.asarray(jax.grad(loss)(jnp.asarray(x, jnp.float32)), np.float64)
        x = x + grads / (np.sqrt(np.mean(grads**2)) + 1e-5)
    np.testing.assert_allclose(255 * result.raw[0], x, atol=1e-2)
    shown = x - x.mean()
    shown = np.clip(shown / (shown.std() + 1e-5) * 0.1 + 0.5, 0, 1)
    np.testing.assert_allclose(result.images[0], shown, atol=1e-3)


def test_raises_the_objective_and_reports_what_the_image_reaches():
    result = synthesize(layer="conv2", channels=[0, 1, 5], tap="layer")
    assert result.curves.shape == (3, 20)
    assert (result.activation > result.curves[:, 0]).all()
    for i, channel in enumerate((0, 1, 5)):
        reached = cv.capture(model(), result.raw[i], ["conv2"])["conv2"][..., channel].mean()
        np.testing.assert_allclose(reached, result.activation[i], rtol=1e-4)
    assert result.provenance.layer == "conv2"
    assert result.provenance.targets == ("conv2 channel 0", "conv2 channel 1", "conv2 channel 5")


@pytest.mark.parametrize("chunk", [1, 3, "auto"])
def test_a_channel_is_the_same_alone_and_among_others(chunk):
    together = synthesize(layer="conv2", channels=[4, 0, 6], chunk=chunk)
    alone = synthesize(layer="conv2", channels=[6])
    np.testing.assert_allclose(together.raw[2], alone.raw[0], atol=1e-5)


def test_all_channels_of_a_layer_share_one_compilation():
    synthesize(layer="conv1", channels=[0], chunk=1)
    before = compilations()
    synthesize(layer="conv1", channels=[1, 2, 3], chunk=1)
    assert compilations() == before


def test_the_canvas_may_have_another_size_than_the_models_input():
    result = synthesize(layer="conv1", channels=[0], size=16)
    assert result.images.shape == (1, 16, 16, 3)
    assert synthesize(layer="conv1", channels=[0], size=None).images.shape == (1, 128, 128, 3)


def test_a_channel_that_cannot_be_excited_says_so():
    params = parameters()
    params["conv1"]["bias"] = jnp.full(6, -50.0)
    net = cv.adapt(forward, params, input_shape=(12, 10, 3))
    relu = next(name for name, layer in net.layers.items() if layer.kind == "relu")
    result = synthesize(net, layer=relu, channels=[0, 1], steps=3)
    assert result.status == ("no_gradient", "no_gradient")
    assert "no image to believe for" in result.warnings[-1]
    assert np.isfinite(result.images).all()


def test_a_rate_with_which_nothing_rises_is_said_and_one_that_rises_is_not():
    slow = synthesize(
        layer="conv1", channels=[0, 1], recipe="yosinski2", size=12, steps=4, optimizer="gradient(1e-9, 255)"
    )
    assert "never above the start" in slow.warnings[-1]
    assert "the rate of the steps does not suit this network" in slow.warnings[-1]
    fast = synthesize(
        layer="conv1", channels=[0, 1], recipe="yosinski3", size=12, steps=4, optimizer="progress(2, 1e8, 255)"
    )
    assert not any("never above the start" in text for text in fast.warnings)


def test_layers_above_the_tap_are_not_run():
    params = parameters()
    whole = cv.adapt(forward, params, input_shape=(12, 10, 3))
    poisoned = whole.with_params({**params, "head": {"kernel": jnp.full((8, 4), jnp.nan), "bias": jnp.zeros(4)}})
    clean = synthesize(whole, layer="conv1", channels=[2])
    np.testing.assert_array_equal(clean.raw, synthesize(poisoned, layer="conv1", channels=[2]).raw)


def test_a_class_can_be_the_target():
    result = synthesize(target=[1, 3])
    assert result.provenance.targets == ("1", "3")
    assert (result.activation > result.curves[:, 0]).all()


def flat(params, x):
    return x.reshape(len(x), -1) @ params


def test_a_model_of_fixed_size_keeps_its_size_and_says_so():
    net = cv.adapt(flat, jnp.ones((12, 2)), input_shape=(2, 2, 3), name="flat")
    result = synthesize(net, target=0, size=None, steps=2)
    assert result.images.shape == (1, 2, 2, 3)
    assert "takes no other size (the recipe's is 128 x 128)" in result.warnings[0]
    with pytest.raises(ModelError):
        synthesize(net, target=0, size=9)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, TargetError, "say what to excite"),
        ({"layer": "conv1", "target": 0}, TargetError, "say what to excite"),
        (
            {"layer": "conv1", "channels": [6]},
            TargetError,
            "channel 6 is out of range: layer 'conv1' has channels 0 to 5",
        ),
        ({"target": 0, "channels": [1]}, TargetError, "channels belong to a layer"),
        ({"layer": "conv1", "steps": 0}, UsageError, "steps is at least 1"),
        ({"layer": "conv1", "recipe": "lucent"}, UsageError, "recipe is one of"),
    ],
)
def test_says_what_is_wrong(options, error, text):
    with pytest.raises(error, match=text):
        synthesize(**options)
