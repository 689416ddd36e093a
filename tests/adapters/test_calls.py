"""How a model is called: streams that it insists on, keywords beside flags, functions as methods, wrapped calls."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

SHAPE = (8, 8, 3)
IMAGES = np.random.default_rng(0).random((2, *SHAPE), np.float32)
Conv = functools.partial(nnx.Conv, kernel_init=nnx.initializers.constant(0.1))
Linear = functools.partial(nnx.Linear, kernel_init=nnx.initializers.constant(0.2))


class Mnist(nnx.Module):
    """As Flax's own example has it: the streams of dropout are an argument of the call."""

    def __init__(self, rngs):
        self.conv = Conv(3, 4, (3, 3), rngs=rngs)
        self.drop = nnx.Dropout(0.5)
        self.head = Linear(4, 2, rngs=rngs)

    def features(self, x, rngs):
        return self.drop(nnx.relu(self.conv(x)), rngs=rngs).mean((1, 2))

    def __call__(self, x, rngs, scale=1.0):
        return scale * self.head(self.features(x, rngs))


@pytest.fixture(scope="module")
def mnist():
    return Mnist(nnx.Rngs(0))


def test_streams_that_an_nnx_call_insists_on_are_passed(mnist):
    model = cv.adapt(mnist, input_shape=SHAPE)
    expected = nnx.view(mnist, deterministic=True)(IMAGES, nnx.Rngs(1))
    np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)
    assert "head" in model.layers


def test_a_model_that_draws_from_them_all_the_same_is_refused():
    class Draws(nnx.Module):
        def __call__(self, x, rngs):
            return x.mean((1, 2)) + jax.random.normal(rngs.params(), (3,))

    with pytest.raises(ModelError, match="draws random numbers"):
        cv.adapt(Draws(), input_shape=SHAPE)


def test_keywords_of_the_user_stand_beside_the_flags_that_are_found(mnist):
    model = cv.adapt(mnist, input_shape=SHAPE, call_kwargs={"scale": 3.0})
    np.testing.assert_allclose(model(IMAGES), 3 * cv.adapt(mnist, input_shape=SHAPE)(IMAGES), rtol=1e-6)

    def function(params, x, factor, train):
        return x.mean((1, 2)) * params * factor * (9 if train else 1)

    one = jnp.ones(3)
    model = cv.adapt(function, one, input_shape=SHAPE, call_kwargs={"factor": 2.0})
    np.testing.assert_allclose(model(IMAGES), 2 * IMAGES.mean((1, 2)), atol=1e-6)
    model = cv.adapt(function, one, input_shape=SHAPE, call_kwargs={"factor": 2.0, "train": True})
    np.testing.assert_allclose(model(IMAGES), 18 * IMAGES.mean((1, 2)), atol=1e-5)


def test_a_function_of_a_key_gets_one():
    model = cv.adapt(lambda params, x, key: x.mean((1, 2)) * params, jnp.ones(3), input_shape=SHAPE)
    np.testing.assert_allclose(model(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)
    only = cv.adapt(lambda key, rng: rng.mean((1, 2)) * key, jnp.ones(3), input_shape=SHAPE)  # operands by those names
    np.testing.assert_allclose(only(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)


class Features(nn.Module):
    def setup(self):
        self.stem = nn.Dense(4)
        self.out = nn.Dense(2)

    def features(self, x):
        return nn.relu(self.stem(x)).mean((1, 2))

    def __call__(self, x):
        return self.out(self.features(x))


def features_of(module, x):
    return module.features(x)


def test_a_method_may_be_a_function_of_the_module(mnist):
    linen = Features()
    variables = linen.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    expected = linen.apply(variables, IMAGES, method="features")
    for method in ("features", Features.features, features_of):
        model = cv.adapt(linen, variables, input_shape=SHAPE, method=method)
        np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)
        assert "stem" in model.layers
    view = nnx.view(mnist, deterministic=True)
    for method in ("features", Mnist.features, lambda module, x: module.features(x, None)):
        model = cv.adapt(mnist, input_shape=SHAPE, method=method)
        np.testing.assert_allclose(model(IMAGES), view.features(IMAGES, None), atol=1e-6)
        assert "conv" in model.layers


def test_calls_under_nnx_jit_and_of_a_module_are_taken_as_the_module(mnist):
    expected = cv.adapt(mnist, input_shape=SHAPE)(IMAGES)

    @nnx.jit
    def forward(module, x):
        return module(x, None)

    for native in ((forward, mnist), (lambda module, x: module(x, None), mnist), (mnist.__call__,)):
        model = cv.adapt(*native, input_shape=SHAPE)
        np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)
        assert model.structure.pure.framework == "nnx"
        assert "head" in model.layers
    model = cv.adapt(nnx.jit(lambda params, x: x.mean((1, 2)) * params), jnp.ones(3), input_shape=SHAPE)
    np.testing.assert_allclose(model(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)


def test_equinox_and_torch_methods_may_be_functions_too():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")

    class Net(eqx.Module):
        weight: jax.Array

        def features(self, x, key):
            return x.mean((1, 2)) * self.weight

    net = Net(jnp.ones(3))
    for method in ("features", Net.features, lambda module, x: module.features(x, None)):
        np.testing.assert_allclose(
            cv.adapt(net, input_shape=SHAPE, method=method)(IMAGES), IMAGES.mean((1, 2)), atol=1e-6
        )
    torch = pytest.importorskip("torch", reason="torch is not installed")

    class Torch(torch.nn.Module):
        def features(self, x):
            return x.mean((2, 3))

    for method in ("features", lambda module, x: module.features(x)):
        model = cv.adapt(Torch(), input_shape=SHAPE, method=method)
        np.testing.assert_allclose(model(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)


def test_haiku_functions_may_have_arguments_by_haikus_own_names():
    hk = pytest.importorskip("haiku", reason="haiku is not installed")

    def net(x, state, is_training):
        return hk.BatchNorm(True, True, 0.9, name="norm")(x, is_training).mean((1, 2)) * state

    transformed = hk.transform_with_state(net)
    params, state = transformed.init(jax.random.key(0), IMAGES, 2.0, True)
    model = cv.adapt(transformed, params, state, input_shape=SHAPE, call_kwargs={"state": 2.0})
    expected = transformed.apply(params, state, None, IMAGES, 2.0, False)[0]
    np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)


def test_linen_through_a_lambda_keeps_plain_names():
    linen = Features()
    variables = linen.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    direct = cv.adapt(linen, variables, input_shape=SHAPE)
    for params in (variables, variables["params"]):
        wrap = (lambda p: p) if "params" in params else (lambda p: {"params": p})
        model = cv.adapt(lambda p, x, wrap=wrap: linen.apply(wrap(p), x), params, input_shape=SHAPE)
        assert list(model.layers) == list(direct.layers)
        assert model.structure.pure.param_paths == direct.structure.pure.param_paths
    both = cv.adapt(
        lambda p, x: linen.apply(p["a"], x) @ jnp.ones((2, 4)) + Stem().apply(p["b"], x),
        {"a": variables, "b": {"params": {"stem": variables["params"]["stem"]}}},
        input_shape=SHAPE,
    )
    assert {"Features.stem", "Features.out", "Stem.stem"} <= set(both.layers)


class Stem(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(4, name="stem")(x).mean((1, 2))
