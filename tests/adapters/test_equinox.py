"""Equinox modules: their own names, their State, inference mode, and what rebuilds modules on the way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

eqx = pytest.importorskip("equinox", reason="equinox is not installed")
SHAPE = (8, 8, 3)
KEYS = jax.random.split(jax.random.key(0), 8)


def some_images():
    return np.random.default_rng(0).random((2, *SHAPE), np.float32)


def own(call, *args):
    return jax.vmap(lambda one: call(one, *args))(jnp.moveaxis(jnp.asarray(some_images()), -1, 1))


def conv(inputs, outputs, key=0):
    return eqx.nn.Conv2d(inputs, outputs, 3, padding=1, key=KEYS[key])


class Block(eqx.Module):
    conv: eqx.nn.Conv2d

    def __call__(self, x, key=None):
        return jax.nn.relu(self.conv(x))


class Net(eqx.Module):
    """Takes a middle part, and calls it as the user's function says."""

    stem: eqx.nn.Conv2d
    middle: eqx.Module
    head: eqx.nn.Linear
    how: object = eqx.field(static=True, default=None)

    def __call__(self, x, key=None):
        x = self.stem(x)
        x = self.middle(x) if self.how is None else self.how(self.middle, x)
        return self.head(x.mean((1, 2)))


def net(middle, how=None):
    return Net(conv(3, 4), middle, eqx.nn.Linear(4, 5, key=KEYS[7]), how)


def check(module, *args, **options):
    """Adapt, and hold the scores to the module's own."""
    model = cv.adapt(module, *args, input_shape=SHAPE, **options)
    np.testing.assert_allclose(model(some_images()), own(module, *args), atol=1e-5)
    return model


def test_a_sequentials_layers_are_called_by_their_number_and_by_equinoxs_spelling():
    layers = [Block(conv(4, 4)), eqx.nn.Lambda(jnp.tanh), eqx.nn.MaxPool2d(2, 2)]
    model = check(net(eqx.nn.Sequential(layers)))
    assert [name for name in model.layers if name.startswith("middle")] == [
        "middle.0.conv", "middle.0.relu", "middle.0", "middle.1", "middle.2", "middle",
    ]  # fmt: skip
    assert model.layers["middle.layers.0.conv"] is model.layers["middle.0.conv"]
    assert model.layers["middle.0.conv"].params == ("middle.0.conv.weight",)


def scanned(blocks, x):
    arrays, static = eqx.partition(blocks, eqx.is_array)
    return jax.lax.scan(lambda x, leaves: (eqx.combine(leaves, static)(x), None), x, arrays)[0]


@pytest.mark.parametrize(
    ("how", "names"),
    [
        (lambda block, x: eqx.filter_jit(block)(x), ["middle.conv"]),
        (lambda block, x: eqx.filter_checkpoint(block)(x), ["middle.conv"]),
        (lambda block, x: block(block(x)), ["middle.conv", "middle.conv#1"]),
    ],
)
def test_modules_that_are_rebuilt_or_shared_keep_their_names(how, names):
    model = check(net(Block(conv(4, 4)), how))
    assert [name for name, layer in model.layers.items() if layer.kind == "conv" and name != "stem"] == names


def test_layers_that_are_scanned_over_are_numbered():
    blocks = eqx.filter_vmap(lambda key: Block(eqx.nn.Conv2d(4, 4, 3, padding=1, key=key)))(KEYS[:3])
    model = check(net(blocks, scanned))
    convs = [name for name, layer in model.layers.items() if layer.kind == "conv"]
    assert len(convs) == 4
    assert "[0]" in convs[1]
    assert "[2]" in convs[3]


def test_a_whole_model_under_filter_jit_is_that_model():
    module = net(Block(conv(4, 4)))
    model = cv.adapt(eqx.filter_jit(module), input_shape=SHAPE)
    assert list(model.layers) == list(check(module).layers)


def test_a_method_can_be_what_is_called():
    class Two(Net):
        def features(self, x):
            return self.middle(self.stem(x))

    module = Two(conv(3, 4), Block(conv(4, 4)), eqx.nn.Linear(4, 5, key=KEYS[7]))
    for model in (cv.adapt(module, input_shape=SHAPE, method="features"), cv.adapt(module.features, input_shape=SHAPE)):
        assert list(model.layers) == ["stem", "middle.conv", "middle.relu", "middle"]
    with pytest.raises(ModelError, match="Two has no method 'foo'"):
        cv.adapt(module, input_shape=SHAPE, method="foo")


class Dropping(eqx.Module):
    drop: eqx.nn.Dropout
    training: bool = True

    def __call__(self, x, key):
        keys = jax.random.split(key)
        x = self.drop(x, key=keys[0])
        return (x * jax.random.uniform(keys[1], x.shape) if self.training else x).mean((1, 2))


def test_inference_is_found_and_a_key_that_is_asked_for_is_given():
    module = Dropping(eqx.nn.Dropout(0.5))
    model = cv.adapt(module, input_shape=SHAPE)
    np.testing.assert_allclose(model(some_images()), some_images().mean((1, 2)), atol=1e-6)
    assert module.training
    assert not module.drop.inference


def test_training_mode_that_cannot_be_left_is_refused():
    class Stubborn(eqx.Module):
        norm: eqx.nn.BatchNorm

        def __call__(self, x, state):
            return self.norm(x, state, inference=False)[0].mean((1, 2)), state

    module, state = eqx.nn.make_with_state(Stubborn)(eqx.nn.BatchNorm(3, "batch", mode="ema"))
    with pytest.raises(ModelError, match="Stubborn is in training mode: it draws random numbers or averages over"):
        cv.adapt(module, state, input_shape=SHAPE)

    class Noisy(eqx.Module):
        def __call__(self, x, *, key=None):
            return eqx.nn.Dropout(0.5)(x, key=key, inference=False).mean((1, 2))

    with pytest.raises(ModelError, match=r"Noisy is in training mode.*requires a key"):
        cv.adapt(Noisy(), input_shape=SHAPE)
    with pytest.raises(ModelError, match="draws random numbers"):
        cv.adapt(Noisy(), input_shape=SHAPE, call_kwargs={"key": jax.random.key(0)})


@pytest.mark.parametrize("mode", ["ema", "batch"])
def test_the_state_is_read_and_left_valid(mode):
    class Normed(eqx.Module):
        norm: eqx.nn.BatchNorm

        def __call__(self, x, state):
            x, state = self.norm(x, state)
            return x.mean((1, 2)), state

    module, state = eqx.nn.make_with_state(Normed)(eqx.nn.BatchNorm(3, "batch", mode=mode))
    pair = cv.adapt((module, state), input_shape=SHAPE)
    assert {"norm.mean", "norm.var"} <= set(pair.structure.pure.param_paths)
    expected = own(lambda x: eqx.nn.inference_mode(module)(x, state)[0])
    np.testing.assert_allclose(pair(some_images()), expected, rtol=1e-5)
    with pytest.raises(ModelError, match=r"Normed keeps statistics in an eqx\.nn\.State: cv\.adapt\(module, state"):
        cv.adapt(module, input_shape=SHAPE)


def test_what_does_not_fit_is_said():
    module = net(Block(conv(4, 4)))
    with pytest.raises(ModelError, match=r"Net takes its eqx\.nn.State beside it and nothing else, got dict"):
        cv.adapt(module, {}, input_shape=SHAPE)
    with pytest.raises(ModelError, match=r"Net\.__call__ cannot be called as \(x, foo=1\)"):
        cv.adapt(module, input_shape=SHAPE, call_kwargs={"foo": 1})


def test_half_precision_is_kept():
    module = jax.tree.map(
        lambda leaf: leaf.astype(jnp.bfloat16) if eqx.is_array(leaf) else leaf, net(Block(conv(4, 4)))
    )
    fed = eqx.nn.Sequential([eqx.nn.Lambda(lambda x: x.astype(jnp.bfloat16)), module])
    for model, stem in ((cv.adapt(module, input_shape=SHAPE), "stem"), (cv.adapt(fed, input_shape=SHAPE), "1.stem")):
        assert model(some_images()).dtype == jnp.float32
        assert model.layers[stem].kernel.dtype == jnp.bfloat16
