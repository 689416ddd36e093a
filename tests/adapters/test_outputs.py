"""Several outputs in every framework, the layer chosen where none is named, and the true cause of a map of zeros."""

import dataclasses
import importlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError
from cnnviz_jax.verbs.load_model import adapted

SHAPE = (8, 8, 3)
IMAGES = np.random.default_rng(0).random((2, *SHAPE), np.float32)


def numbers(*shape):
    return np.asarray(np.random.default_rng(len(shape)).normal(size=shape) * 0.3, np.float32)


STEM, FIRST, SECOND = numbers(3, 3, 3, 4), numbers(4, 5), numbers(4, 2)
PARAMS = {"stem": {"kernel": STEM}, "first": {"kernel": FIRST}, "second": {"kernel": SECOND}}


def conv(kernel, x):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def function(params, x):
    with jax.named_scope("stem"):
        x = jax.nn.relu(conv(params["stem"]["kernel"], x))
    x = x.mean((1, 2))
    return {"first": x @ params["first"]["kernel"], "second": x @ params["second"]["kernel"]}


def expected():
    found = function(PARAMS, jnp.asarray(IMAGES))
    return {name: np.asarray(value) for name, value in found.items()}


def of_function():
    return function, PARAMS


def of_linen():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Conv(4, (3, 3), use_bias=False, name="stem")(x)).mean((1, 2))
            return {name: nn.Dense(n, use_bias=False, name=name)(x) for name, n in (("first", 5), ("second", 2))}

    return Net(), {"params": PARAMS}


def of_nnx():
    class Net(nnx.Module):
        def __init__(self, rngs):
            zeros = nnx.initializers.zeros_init()
            self.stem = nnx.Conv(3, 4, (3, 3), use_bias=False, kernel_init=zeros, rngs=rngs)
            self.first = nnx.Linear(4, 5, use_bias=False, kernel_init=zeros, rngs=rngs)
            self.second = nnx.Linear(4, 2, use_bias=False, kernel_init=zeros, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.stem(x)).mean((1, 2))
            return {"first": self.first(x), "second": self.second(x)}

    net = Net(nnx.Rngs(0))
    for name, entry in PARAMS.items():
        getattr(net, name).kernel.set_value(jnp.asarray(entry["kernel"]))
    return (net,)


def of_equinox():
    eqx = importlib.import_module("equinox")

    class Net(eqx.Module):
        stem: jax.Array
        first: jax.Array
        second: jax.Array

        def __call__(self, x):
            x = jax.nn.relu(conv(self.stem, x.transpose(1, 2, 0)[None]))[0].mean((0, 1))
            return {"first": x @ self.first, "second": x @ self.second}

    return (Net(*map(jnp.asarray, (STEM, FIRST, SECOND))),)


def of_haiku():
    hk = importlib.import_module("haiku")

    def net(x):
        x = jax.nn.relu(hk.Conv2D(4, 3, with_bias=False, name="stem")(x)).mean((1, 2))
        return {name: hk.Linear(n, with_bias=False, name=name)(x) for name, n in (("first", 5), ("second", 2))}

    return hk.transform(net), {name: {"w": jnp.asarray(entry["kernel"])} for name, entry in PARAMS.items()}


def of_keras():
    keras = importlib.import_module("keras")
    layers = importlib.import_module("keras.layers")
    given = keras.Input(SHAPE)
    stem = layers.Conv2D(4, 3, padding="same", use_bias=False, activation="relu", name="stem")(given)
    x = layers.GlobalAveragePooling2D(name="pool")(stem)
    heads = [layers.Dense(n, use_bias=False, name=name) for name, n in (("first", 5), ("second", 2))]
    net = keras.Model(given, {head.name: head(x) for head in heads})
    for name, entry in PARAMS.items():
        net.get_layer(name).set_weights([entry["kernel"]])
    return (net,)


def of_torch():
    torch = importlib.import_module("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.first, self.second = torch.nn.Linear(4, 5, bias=False), torch.nn.Linear(4, 2, bias=False)

        def forward(self, x):
            x = self.stem(x).relu().mean((2, 3))
            return {"first": self.first(x), "second": self.second(x)}

    net = Net()
    with torch.no_grad():
        net.stem.weight.copy_(torch.from_numpy(STEM.transpose(3, 2, 0, 1).copy()))
        net.first.weight.copy_(torch.from_numpy(FIRST.T.copy()))
        net.second.weight.copy_(torch.from_numpy(SECOND.T.copy()))
    return (net,)


EVERY = {
    "function": of_function,
    "linen": of_linen,
    "nnx": of_nnx,
    "equinox": of_equinox,
    "haiku": of_haiku,
    "keras": of_keras,
    "torch": of_torch,
}


@pytest.mark.parametrize("framework", list(EVERY))
def test_an_output_is_named_in_every_framework_and_layers_keep_their_names(framework):
    if framework not in ("function", "linen", "nnx"):
        pytest.importorskip(framework, reason=f"{framework} is not installed")
    native = EVERY[framework]()
    with pytest.raises(ModelError, match=r"returns a dict of first \(1, 5\), second \(1, 2\).* as in scores='first'"):
        cv.adapt(*native, input_shape=SHAPE)
    models = {name: cv.adapt(*native, input_shape=SHAPE, scores=name) for name in ("first", "second")}
    for name, model in models.items():
        np.testing.assert_allclose(model(IMAGES), expected()[name], atol=1e-6)
    assert list(models["first"].layers) == list(models["second"].layers)
    assert [layer.kind for layer in models["first"].layers.values()].count("dense") == 2


def test_a_number_or_a_function_names_an_output_too():
    pairs = {
        0: "first",
        -1: "second",
        "1": "second",
    }
    for choice, name in pairs.items():
        model = cv.adapt(lambda p, x: tuple(function(p, x).values()), PARAMS, input_shape=SHAPE, scores=choice)
        np.testing.assert_allclose(model(IMAGES), expected()[name], atol=1e-6)
    model = cv.adapt(function, PARAMS, input_shape=SHAPE, scores=lambda outputs: outputs["first"][:, 1:3])
    np.testing.assert_allclose(model(IMAGES), expected()["first"][:, 1:3], atol=1e-6)
    assert model.class_count == 2
    nested = cv.adapt(lambda p, x: {"out": function(p, x)}, PARAMS, input_shape=SHAPE, scores="out.second")
    np.testing.assert_allclose(nested(IMAGES), expected()["second"], atol=1e-6)


def test_a_factory_says_it_in_its_dictionary():
    model = adapted((function, PARAMS, {"input_shape": SHAPE, "scores": "second"}))
    assert model.class_count == 2


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ("secnd", r"no output 'secnd'. Did you mean 'second'\? It returns a dict of first \(1, 5\), second \(1, 2\)"),
        (0, "no output 0. It returns"),
        (True, "scores is an output's name, its number or a function of the outputs, got True"),
        (lambda outputs: outputs["none"], "the function given as scores= fails: 'none'. It is handed a dict of first"),
        (lambda outputs: outputs, "scores= returns a dict of first .*; scores are one array"),
    ],
)
def test_an_output_that_is_not_there_is_said_in_a_sentence(choice, text):
    with pytest.raises(ModelError, match=text):
        cv.adapt(function, PARAMS, input_shape=SHAPE, scores=choice)


def bit(params, x):
    """As big_vision's BiT: the head runs over the map as well, beside the scores."""
    features = jax.nn.relu(conv(params["stem"]["kernel"], x))
    with jax.named_scope("head"):
        dense = features @ params["first"]["kernel"]
        scores = features.mean((1, 2)) @ params["first"]["kernel"]
    return scores, {"logits_2d": dense, "attention": jax.nn.softmax(dense)}


def test_the_default_layer_is_one_that_the_scores_rest_on_and_the_result_says_so():
    model = cv.adapt(bit, PARAMS, input_shape=SHAPE)
    assert model.structure.head is None  # the softmax is of another output
    np.testing.assert_allclose(model(IMAGES), bit(PARAMS, IMAGES)[0], atol=1e-6)
    heat = cv.explain("hires-cam", model, IMAGES, target=1, relu=False)
    assert heat.provenance.layer == "relu"
    note = dict(heat.provenance.notes)["layer_chosen"]
    assert note == "the last map that the scores rest on; 'softmax' does not reach the scores"
    assert np.asarray(heat.values).any()
    named = cv.explain("hires-cam", model, IMAGES, target=1, layer="relu")
    assert "layer_chosen" not in dict(named.provenance.notes)


def test_zeros_at_a_layer_that_the_score_does_not_rest_on_are_explained_so():
    model = cv.adapt(bit, PARAMS, input_shape=SHAPE)
    dead = next(name for name in model.layers if model.layers[name].shape == (8, 8, 5))
    with pytest.warns(cv.CnnvizWarning, match=rf"the score does not rest on layer '{dead}'"):
        cv.explain("grad-cam", model, IMAGES, target=1, layer=dead)
    # A target at that layer rests on it.
    heat = cv.explain("grad-cam", model, IMAGES, cv.targets.channel(dead, 1), layer=dead, relu=False)
    assert not heat.warnings


def test_zeros_of_a_silent_layer_are_no_negative_map():
    params = {**PARAMS, "stem": {"kernel": -np.abs(STEM)}}
    model = cv.adapt(bit, params, input_shape=SHAPE)
    with pytest.warns(cv.CnnvizWarning, match="the values or the gradients at 'relu' are zero everywhere for it"):
        cv.explain("grad-cam", model, IMAGES, target=1)


def test_the_default_of_a_dense_output_is_not_the_output():
    def unet(params, x):
        features = jax.nn.relu(conv(params["stem"]["kernel"], x))
        with jax.named_scope("out"):
            return jax.nn.sigmoid(features @ params["first"]["kernel"])

    model = cv.adapt(unet, PARAMS, input_shape=SHAPE)
    default = model.program.default_layer
    assert default.name == model.map_layer().name == "relu"
    assert "is the output itself" in default.why
    only = cv.adapt(lambda p, x: conv(p["stem"]["kernel"], x), PARAMS, input_shape=SHAPE)
    assert only.program.default_layer.why == "the last map; the scores rest on no other"


def test_attentions_weights_are_not_the_default():
    def pooled(params, x):
        patches = conv(params["stem"]["kernel"], x).reshape(x.shape[0], 64, 4)
        with jax.named_scope("pool"):
            weights = jax.nn.softmax((patches @ params["first"]["kernel"])[..., 0], -1)
        return jnp.einsum("bn,bnc->bc", weights, patches) @ params["second"]["kernel"]

    model = cv.adapt(pooled, PARAMS, input_shape=SHAPE, tokens=(0, 8, 8))
    assert model.layers[model.map_layer().name].kind != "softmax"


def test_random_numbers_count_where_the_scores_rest_on_them():
    def vae(params, x, noisy=True):
        mean = conv(params["stem"]["kernel"], x).mean((1, 2))
        drawn = mean + jnp.exp(mean / 2) * jax.random.normal(jax.random.key(0), mean.shape)
        return {"mean": mean, "recon": drawn @ params["first"]["kernel"]}

    with pytest.raises(ModelError, match=r"random numbers .* as in a variational autoencoder; .*scores=") as found:
        cv.adapt(vae, PARAMS, input_shape=SHAPE, scores="recon")
    assert "training mode" not in str(found.value)
    assert cv.adapt(vae, PARAMS, input_shape=SHAPE, scores="mean").class_count == 4


def test_an_exact_copy_of_a_structure_is_equal_whatever_picked_its_scores():
    once = cv.adapt(function, PARAMS, input_shape=SHAPE, scores="first").structure
    again = cv.adapt(function, PARAMS, input_shape=SHAPE, scores=lambda outputs: outputs["first"]).structure
    other = cv.adapt(function, PARAMS, input_shape=SHAPE, scores="second").structure
    assert once == again
    assert once != other
    assert dataclasses.replace(once) == once


def test_a_pooled_map_in_front_of_the_map_itself_is_passed_over():
    def network(p, x):  # as DINOv3's ConvNeXt: the mean is put before the positions, both normed, the first one read
        x = jax.lax.conv_general_dilated(x, p["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x)
        tokens = x.reshape(x.shape[0], -1, x.shape[-1])
        tokens = jnp.concatenate([tokens.mean(1, keepdims=True), tokens], 1)
        with jax.named_scope("norm"):
            centred = tokens - tokens.mean(-1, keepdims=True)
            normed = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5) * p["norm"]["scale"]
        return normed[:, 0]

    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 3, 5)), jnp.float32)
    params = {"kernel": kernel, "norm": {"scale": jnp.arange(1.0, 6.0)}}
    model = cv.adapt(network, params, input_shape=(8, 12, 3), tokens=(1, 4, 6))
    assert model.map_layer().name == "relu"
    assert "before other tokens stand beside it" in model.program.default_layer.why
    heat = cv.explain("grad-cam", model, np.random.default_rng(1).random((1, 8, 12, 3), np.float32))
    assert heat.values.max() > 0
