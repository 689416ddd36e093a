"""The same network adapted anew, as in every round of a training, compiles nothing and keeps no memory."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.compiling import compilations

IMAGE = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)


class Small(nnx.Module):
    """A layer with weights, a norm and an activation with a derivative rule of its own, twice."""

    def __init__(self, seed: int) -> None:
        rngs = nnx.Rngs(seed)
        self.conv, self.norm = nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(jax.nn.silu(nnx.relu(self.norm(self.conv(x)))).mean((1, 2)))


class SmallLinen(nn.Module):
    """The same in Linen."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.relu(nn.Conv(4, (3, 3))(x)).mean((1, 2)))


def linen(seed: int):
    network = SmallLinen()
    return network, network.init(jax.random.key(seed), IMAGE)


def saliency(*native):
    return cv.explain("saliency", cv.adapt(*native, input_shape=(8, 8, 3)), IMAGE, 0).values


def test_rounds_of_new_weights_compile_once_and_hold_their_memory():
    saliency(Small(100))
    gc.collect()
    before, alive = compilations(), len(jax.live_arrays())
    maps = [saliency(Small(seed)) for seed in range(12)]
    gc.collect()
    assert compilations() == before
    assert len(jax.live_arrays()) <= alive
    assert len({values.tobytes() for values in maps}) == 12, "each round has its own weights"


def test_linen_modules_made_anew_share_programs_too():
    saliency(*linen(0))
    before = compilations()
    saliency(*linen(1))
    assert compilations() == before


def reversing(strength: float):
    """A function whose backward pass multiplies by `-strength`, which its forward pass does not show."""

    @jax.custom_vjp
    def pass_on(x):
        return x

    pass_on.defvjp(lambda x: (x, None), lambda _, grad: (-strength * grad,))
    return lambda weight, x: (pass_on(x) * weight).mean((1, 2))


def test_backward_rules_that_close_over_other_numbers_are_told_apart():
    weight = jnp.ones((3,))
    one, three = (saliency(reversing(strength), weight) for strength in (1.0, 3.0))
    assert np.allclose(three, 3 * one)
    assert np.abs(one).max() > 0


def test_constants_closed_over_are_told_apart():
    def scaled(factor):
        constant = np.full((3,), factor, np.float32)
        return lambda weight, x: (x * weight * constant).mean((1, 2))

    weight = jnp.ones((3,))
    assert np.allclose(saliency(scaled(2.0), weight), 2 * saliency(scaled(1.0), weight))


def test_names_labels_and_scales_are_told_apart():
    def structure(**options):
        return cv.adapt(Small(0), input_shape=(8, 8, 3), **options).structure

    same = structure(name="a", labels=["x", "y", "z"], mean=0.5)
    assert same == structure(name="a", labels=["x", "y", "z"], mean=0.5)
    for other in ({"name": "b"}, {"labels": ["x", "y", "w"]}, {"mean": 0.4}):
        assert same != structure(**{"name": "a", "labels": ["x", "y", "z"], "mean": 0.5, **other})


def test_a_warm_call_of_many_evaluations_traces_nothing():
    model, traced = cv.adapt(Small(0), input_shape=(8, 8, 3)), []

    def count(name: str, _: float, **__: object) -> None:
        traced.append(name) if name.endswith("jaxpr_trace_duration") else None

    cv.explain("smoothgrad", model, IMAGE, 0, samples=2)
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        cv.explain("smoothgrad", model, IMAGE, 0, samples=2)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert traced == []
