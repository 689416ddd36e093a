"""Names and kinds of what is easily lost: identity modules, scales that are no norms, functions for one image only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.cli.commands.layers import _row

SHAPE = (6, 6, 3)
IMAGES = np.random.default_rng(0).random((2, *SHAPE), np.float32)


class Identity(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x


class Named(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(4, name="stem")(x))
        x = nn.Dropout(0.5, deterministic=True, name="drop")(x)
        x = Identity(name="pre_logits")(x.mean((1, 2)))
        return nn.Dense(2, name="head")(x)


def adapted(module):
    shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, *SHAPE)))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, np.float32), shapes)
    return cv.adapt(module, variables, input_shape=SHAPE)


def test_a_module_that_hands_its_value_on_is_a_further_name_of_it():
    model = adapted(Named())
    assert list(model.layers) == ["stem", "relu", "global_pool", "head"]
    assert model.layers.resolve("pre_logits") == "global_pool"
    assert model.layers.resolve("drop") == "relu"
    values = cv.capture(model, IMAGES, ["pre_logits", "global_pool"])
    np.testing.assert_array_equal(values["pre_logits"], values["global_pool"])
    assert cv.explain("grad-cam", model, IMAGES, target=0, layer="drop").provenance.layer == "relu"
    assert model.program.layer_node("pre_logits").name == "global_pool"


def test_a_value_that_has_no_other_name_gets_that_of_the_identity():
    class Token(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Dense(4, name="stem")(x).reshape(x.shape[0], -1, 4)
            return nn.Dense(2, name="head")(Identity(name="pre_logits")(x[:, 0]))

    model = adapted(Token())
    assert list(model.layers)[-2:] == ["pre_logits", "head"]
    assert model.layers["pre_logits"].shape == (4,)


def test_identities_of_nnx_and_haiku_and_equinox_are_kept_too():
    class Same(nnx.Module):
        def __call__(self, x):
            return x

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.stem = nnx.Linear(3, 4, kernel_init=nnx.initializers.constant(0.1), rngs=rngs)
            self.pre_logits = Same()

        def __call__(self, x):
            return self.pre_logits(nnx.relu(self.stem(x)).mean((1, 2)))

    assert cv.adapt(Net(nnx.Rngs(0)), input_shape=SHAPE).layers.resolve("pre_logits") == "global_pool"
    hk = pytest.importorskip("haiku", reason="haiku is not installed")

    class Pass(hk.Module):
        def __call__(self, x):
            return x

    def net(x):
        return Pass(name="pre_logits")(jax.nn.relu(hk.Linear(4, name="stem")(x)).mean((1, 2)))

    weights = {"stem": {"w": jnp.ones((3, 4)), "b": jnp.zeros(4)}}
    model = cv.adapt(hk.transform(net), weights, input_shape=SHAPE)
    assert model.layers.resolve("pre_logits") == "global_pool"
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")

    class Eqx(eqx.Module):
        weight: jax.Array
        pre_logits: eqx.nn.Identity

        def __call__(self, x):
            return self.pre_logits(jax.nn.relu(x * self.weight).mean((1, 2)))

    model = cv.adapt(Eqx(jnp.ones((3, 1, 1)), eqx.nn.Identity()), input_shape=SHAPE)
    assert model.layers.resolve("pre_logits") == "global_pool"


class Scaled(nn.Module):
    """A block with ConvNeXt's layer scale, NFNet's gain, and norms with and without shifts."""

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, name="stem")(x)
        x = nn.LayerNorm(use_bias=False, name="ln")(x)
        x = nn.RMSNorm(name="rms")(nn.relu(x))
        y = nn.Dense(4, name="mix")(x)
        y = y * self.param("gamma", nn.initializers.constant(0.5), (4,))
        x = nn.BatchNorm(use_running_average=True, name="bn")(x + y)
        x = nn.relu(x) * self.param("skip_gain", nn.initializers.constant(0.5), ())
        return nn.Dense(2, name="head")(x.mean((1, 2)))


def test_a_scale_alone_is_no_norm():
    kinds = {layer.name: layer.kind for layer in adapted(Scaled()).layers.values()}
    assert {name for name, kind in kinds.items() if kind == "norm"} == {"ln", "rms", "bn"}
    assert list(kinds.values()).count("scale") == 2
    assert not [name for name in kinds if name.startswith("norm")]


def test_a_function_for_one_image_is_told_when_it_is_adapted_and_works_for_many():
    def one(params, x):
        return x.reshape(1, -1, 3).mean(1) @ params

    weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)
    model = cv.adapt(one, weights, input_shape=SHAPE)
    (warning,) = model.warnings
    assert warning == (
        "the model takes one image at a time (of two it returns scores of shape (1, 4)); jax.vmap maps it over several"
    )
    np.testing.assert_allclose(model(IMAGES), IMAGES.mean((1, 2)) @ weights, atol=1e-5)

    def fixed(params, x):
        return jnp.broadcast_to(x, (1, *SHAPE)).mean((1, 2)) @ params

    model = cv.adapt(fixed, weights, input_shape=SHAPE)
    assert "the model takes one image at a time (" in model.warnings[0]
    np.testing.assert_allclose(model(IMAGES), IMAGES.mean((1, 2)) @ weights, atol=1e-5)
    assert not cv.adapt(lambda p, x: x.mean((1, 2)) @ p, weights, input_shape=SHAPE).warnings


def bit_head(params, x, style):
    """As BiT: a global average that keeps its axes, and a convolution of 1 x 1 as its linear layer."""
    numbers = ("NHWC", "HWIO", "NHWC")
    x = jax.nn.relu(jax.lax.conv_general_dilated(x, params["stem"], (1, 1), "SAME", dimension_numbers=numbers))
    x = x.mean((1, 2), keepdims=True)
    x = jax.lax.conv_general_dilated(x, params["head"], (1, 1), "VALID", dimension_numbers=numbers)
    return {"index": x[:, 0, 0], "squeeze": x.squeeze((1, 2)), "reshape": x.reshape(len(x), -1)}[style]


@pytest.mark.parametrize("style", ["index", "squeeze", "reshape"])
def test_cam_takes_a_linear_layer_that_is_written_as_a_convolution(style):
    draw = np.random.default_rng(0).normal
    params = {name: jnp.asarray(draw(size=size), jnp.float32) for name, size in HEAD.items()}
    model = cv.adapt(lambda p, x: bit_head(p, x, style), params, input_shape=SHAPE)
    found = cv.explain("cam", model, IMAGES, target=1)
    features = cv.capture(model, IMAGES, ["relu"])["relu"]
    np.testing.assert_allclose(found.low_res, features @ params["head"][0, 0, :, 1], rtol=1e-4, atol=1e-5)


HEAD = {"stem": (3, 3, 3, 4), "head": (1, 1, 4, 5)}


def test_the_list_of_layers_knows_shapes_of_kernels_without_evaluating_them(monkeypatch):
    model = adapted(Named())
    shapes = {layer.name: tuple(layer.kernel.shape) for layer in model.layers.values() if layer.params}
    assert shapes == {"stem": (3, 4), "head": (4, 2)}
    monkeypatch.setattr(type(model.program), "kernel", lambda *_: pytest.fail("a kernel was evaluated"))
    rows = {row["name"]: row["kernel"] for row in map(_row, adapted(Named()).layers.values())}
    assert {name: tuple(found) for name, found in rows.items() if found} == shapes
