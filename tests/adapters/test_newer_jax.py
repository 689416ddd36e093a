"""What newer JAX and Flax bring: NNX's graph and tree modes, hijax variables, references, primitives of strangers."""

import contextlib

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

IMAGES = np.random.default_rng(0).random((2, 6, 6, 3), np.float32)
PARAMS = {"kernel": np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32), "head": np.eye(4, 3)}


class Net(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv, self.norm = nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.drop, self.head = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(self.drop(nnx.relu(self.norm(self.conv(x)))).mean((1, 2)))


@contextlib.contextmanager
def flags(**wanted):
    before = {name: getattr(flax.config, name) for name in wanted}
    for name, value in wanted.items():
        flax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            flax.config.update(name, value)


MODES = [
    {"nnx_graph_mode": False},
    {"nnx_graph_updates": False},
    {"flax_hijax_variable": True},
    {"flax_hijax_variable": True, "nnx_graph_mode": False, "nnx_graph_updates": False},
]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(mode))
def test_nnx_modules_of_every_mode_are_adapted_alike(mode):
    missing = [name for name in mode if not hasattr(flax.config, name)]
    if missing:
        pytest.skip(f"this Flax has no {missing[0]}")
    plain = cv.adapt(Net(), input_shape=(6, 6, 3))
    with flags(**mode):
        module = Net()
        model = cv.adapt(module, input_shape=(6, 6, 3))
        expected = nnx.view(module, deterministic=True, use_running_average=True)(jnp.asarray(IMAGES))
        np.testing.assert_allclose(model(IMAGES), np.asarray(expected), atol=1e-5)
    assert list(model.layers) == list(plain.layers) == ["conv", "norm", "relu", "global_pool", "head"]
    found = cv.explain("saliency", model, IMAGES, 1).values
    np.testing.assert_allclose(found, cv.explain("saliency", plain, IMAGES, 1).values, atol=1e-6)


def features(params, x):
    dims = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, params["kernel"], (1, 1), "SAME", dimension_numbers=dims))


def network(params, x):
    return features(params, x).mean((1, 2)) @ params["head"][...]


def test_references_among_the_parameters_are_read_once():
    params = {name: jnp.asarray(array, jnp.float32) for name, array in PARAMS.items()}
    head = jax.new_ref(params["head"])
    model = cv.adapt(network, {**params, "head": head}, input_shape=(6, 6, 3))
    expected = network(params, IMAGES)
    head[...] = jnp.zeros((4, 3))
    np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)


def kept(params, x):
    reference = jax.new_ref(jnp.zeros((len(x), 6, 6, 4)))
    reference[...] += features(params, x)
    return reference[...].mean((1, 2)) @ params["head"]


def counting(params, x):
    COUNT[...] += 1.0
    return network(params, x)


COUNT = jax.new_ref(jnp.zeros(()))


@pytest.mark.parametrize("function", [kept, jax.jit(kept), counting])
def test_a_network_that_computes_with_references_is_refused_in_a_sentence(function):
    with pytest.raises(ModelError, match=r"keeps numbers in a jax.Ref while it computes.*return what it computes"):
        cv.adapt(function, PARAMS, input_shape=(6, 6, 3))


double = Primitive("double")
double.def_impl(lambda x: x * 2)
double.def_abstract_eval(lambda x: x)
mlir.register_lowering(double, mlir.lower_fun(lambda x: x * 2, multiple_results=False))
ad.deflinear2(double, lambda cotangent, _: [double.bind(cotangent)])
batching.primitive_batchers[double] = lambda args, axes: (double.bind(*args), axes[0])


def test_a_primitive_that_nobody_knows_is_run_and_differentiated_as_it_says():
    model = cv.adapt(
        lambda params, x: double.bind(features(params, x)).mean((1, 2)) @ params["head"], PARAMS, input_shape=(6, 6, 3)
    )
    known = cv.adapt(
        lambda params, x: (2 * features(params, x)).mean((1, 2)) @ params["head"], PARAMS, input_shape=(6, 6, 3)
    )
    for technique, options in (("input-x-gradient", {}), ("occlusion", {"window": 2, "engine": "incremental"})):
        found, expected = (cv.explain(technique, net, IMAGES, 1, **options).values for net in (model, known))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_parts_that_are_stacked_and_taken_apart_again_keep_their_layers():
    def network(params, x):
        left, right = jnp.unstack(jnp.stack([features(params, x), features(params, -x)]))
        return (left - right).mean((1, 2)) @ params["head"]

    def plainly(params, x):
        return (features(params, x) - features(params, -x)).mean((1, 2)) @ params["head"]

    stacked, plain = (cv.adapt(function, PARAMS, input_shape=(6, 6, 3)) for function in (network, plainly))
    assert stacked.layers["relu#1"].receptive_field.is_map
    found, expected = (cv.explain("lrp", net, IMAGES, 1, epsilon=0.0).values for net in (stacked, plain))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
