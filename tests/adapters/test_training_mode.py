"""A model that would train while it is explained is refused, in one sentence."""

import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError
from tests.adapters import networks

SHAPE = networks.INPUT_SHAPE


class NnxSwitched(nnx.Module):
    """Statistics of the batch whenever `train`, whatever the layer's own attribute says."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.bn = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, *, train=True, drop=False):
        x = self.bn(self.conv(x), use_running_average=not train)
        return self.drop(x, deterministic=not drop).mean((1, 2))


def test_a_linen_module_told_to_train_is_refused():
    with pytest.raises(ModelError, match=r"LinenVgg is in training mode.*call_kwargs.*\"batch_stats\" is immutable"):
        cv.adapt(*networks.linen("vgg"), input_shape=SHAPE, call_kwargs={"train": True})


def test_linen_dropout_that_cannot_be_off_is_refused():
    class Noisy(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.5, deterministic=False)(nn.Dense(2)(x)).mean((1, 2))

    variables = {"params": {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}}
    with pytest.raises(ModelError, match=r'Noisy is in training mode.*PRNG for "dropout"'):
        cv.adapt(Noisy(), variables, input_shape=SHAPE)


def test_an_nnx_module_told_to_train_is_refused():
    module = NnxSwitched(nnx.Rngs(0))
    with pytest.raises(ModelError, match="training mode"):
        cv.adapt(module, input_shape=SHAPE, call_kwargs={"train": True})


def test_nnx_dropout_told_to_stay_on_is_refused():
    module = NnxSwitched(nnx.Rngs(0))
    with pytest.raises(ModelError, match=r"dropout|random"):
        cv.adapt(module, input_shape=SHAPE, call_kwargs={"train": False, "drop": True})


def test_a_function_that_averages_over_the_batch_is_refused():
    def fn(params, x):
        return ((x - x.mean((0, 1, 2))) / x.std((0, 1, 2))).mean((1, 2)) * params

    with pytest.raises(ModelError, match="training mode"):
        cv.adapt(fn, 2.0, input_shape=SHAPE)


@pytest.mark.parametrize("name", networks.NAMES)
def test_inference_is_found_without_being_told(name):
    module = networks.nnx_module(name)
    assert not module.drop.deterministic
    assert cv.adapt(module, input_shape=SHAPE).warnings == ()
    assert not module.drop.deterministic


def test_a_flag_of_the_users_own_call_is_found():
    assert cv.adapt(NnxSwitched(nnx.Rngs(0)), input_shape=SHAPE).warnings == ()
