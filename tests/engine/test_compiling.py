"""Everything is compiled in one place: `model(images)` as the engine's programs, and one shape for many images."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import cnnviz_jax as cv
from cnnviz_jax.compiling import batches, compilations, in_batches, programs
from tests.explain.small_network import model, some_images


def test_the_logits_are_compiled_with_the_options_of_the_engine(monkeypatch):
    net = model()
    seen = []
    monkeypatch.setattr(programs, "_cache", OrderedDict())  # another test may have compiled the same
    real = programs.compiler_options
    monkeypatch.setattr(programs, "compiler_options", lambda: seen.append(real()) or seen[-1])
    images = some_images(7)
    before = compilations()
    logits = net(images)
    assert compilations() == before + 1
    assert net(images[::-1]).shape == logits.shape
    assert compilations() == before + 1, "the same shape is not compiled again"
    cv.explain("saliency", net, images, 0, chunk=5)
    assert compilations() > before + 1
    assert seen
    assert all(options == real() for options in seen)
    alone = np.stack([net.run(jnp.asarray(image))[0] for image in images])
    np.testing.assert_allclose(logits, alone, rtol=1e-5, atol=1e-6)


def test_any_number_of_images_above_a_batch_runs_one_program(monkeypatch):
    monkeypatch.setattr(batches, "_FORWARD_BATCH", 4)
    net, images = model(), some_images(11)
    expected = np.stack([net.run(jnp.asarray(image))[0] for image in images])
    before = compilations()
    for count in (5, 8, 11):
        np.testing.assert_allclose(net(images[:count]), expected[:count], rtol=1e-5, atol=1e-6)
    assert compilations() <= before + 1
    kept = cv.capture(net, images, ["conv1"])["conv1"]
    assert len(kept) == 11
    np.testing.assert_allclose(
        kept[10], net.run(jnp.asarray(images[10]), read=("conv1",))[1]["conv1"], rtol=1e-5, atol=1e-6
    )


def test_batches_of_a_tree_are_joined_and_their_padding_is_cut(monkeypatch):
    monkeypatch.setattr(batches, "_FORWARD_BATCH", 3)
    images = np.arange(8, dtype=np.float32)
    found = in_batches(lambda scale, x: {"scaled": scale * x, "pair": jnp.stack([x, -x], 1)}, "tree", (2.0,), images)
    np.testing.assert_array_equal(found["scaled"], 2 * images)
    np.testing.assert_array_equal(found["pair"], np.stack([images, -images], 1))


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(4)(linen.relu(linen.Conv(3, (3, 3))(x)).mean((1, 2)))


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.conv, self.head = nnx.Conv(3, 3, (3, 3), rngs=rngs), nnx.Linear(3, 4, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.conv(x)).mean((1, 2)))


def some_model(sort):
    if sort == "function":
        return model()
    if sort == "nnx":
        return cv.adapt(Nnx(nnx.Rngs(0)), input_shape=(12, 10, 3))
    module = Linen()
    return cv.adapt(module, module.init(jax.random.key(0), jnp.zeros((1, 12, 10, 3))), input_shape=(12, 10, 3))


@pytest.mark.parametrize("sort", ["function", "nnx", "linen"])
def test_a_model_is_called_under_tracing_too(sort):
    net, images = some_model(sort), jnp.asarray(some_images(3))
    plain = net(images)
    np.testing.assert_allclose(jax.jit(lambda x: net(x))(images), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(lambda x: net(x))(images)[:, 0], plain, rtol=1e-5, atol=1e-6)

    def total(params, images):
        return net.with_params(params)(images).sum()

    by_images = jax.grad(total, 1)(net.params, images)
    assert by_images.shape == images.shape
    by_params = jax.grad(total)(net.params, np.asarray(images))  # parameters traced, images numbers
    assert jax.tree.structure(by_params) == jax.tree.structure(net.params)
    np.testing.assert_allclose(
        jax.jit(lambda params: net.with_params(params)(np.asarray(images)))(net.params), plain, rtol=1e-5, atol=1e-6
    )


def test_parameters_on_another_device_are_used_there():
    net, images = model(), some_images(2)
    moved = net.with_params(jax.device_put(net.params, jax.devices()[1]))
    assert moved(images).devices() == {jax.devices()[1]}
    np.testing.assert_allclose(moved(images), net(images), rtol=1e-5, atol=1e-6)
