"""Plain functions: any params, any way to say the mode, and scores picked only where that is clear."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnviz_jax.errors import ModelError
from cnnviz_jax.model.pure import AdaptOptions
from cnnviz_plugins.adapters.callable import build

X = jnp.asarray(np.random.RandomState(0).uniform(size=(2, 4, 4, 3)), jnp.float32)
W = {"w": jnp.arange(12.0).reshape(3, 4)}
EXPECTED = X.mean((1, 2)) @ W["w"]


def score(params, x):
    return x.mean((1, 2)) @ params["w"]


class Network:
    def __call__(self, params, x):
        return score(params, x)

    def other(self, params, x, training):
        return score(params, x) * (2 if training else 1)


def scores(native, *args, **options):
    pure = build(native, args, AdaptOptions(**options))
    return pure.logits(pure.fn(pure.params, X))


@pytest.mark.parametrize(
    "native",
    [
        (score, W),
        ((score, W),),
        (jax.jit(score), W),
        (Network(), W),
        (Network().__call__, W),
        (lambda x: score(W, x),),
        (functools.partial(score, W),),
        (score, {"w": np.asarray(W["w"])}),
        (lambda params, x: x.mean((1, 2)) @ params[0], (W["w"],)),
        (lambda w, x: x.mean((1, 2)) @ w, W["w"]),
    ],
)
def test_every_way_to_hold_a_function_and_its_params_is_taken(native):
    np.testing.assert_allclose(scores(*native), EXPECTED, atol=1e-6)


@pytest.mark.parametrize("flag", ["train", "training", "is_training"])
def test_flags_that_mean_training_are_false(flag):
    scope = {}
    exec(f"def fn(params, x, {flag}=True): return x.mean((1, 2)) * (2 if {flag} else 1)", scope)
    np.testing.assert_allclose(scores(scope["fn"], W), X.mean((1, 2)), atol=1e-6)


def test_flags_that_mean_inference_are_true():
    def fn(params, x, *, deterministic=False, inference=False, use_running_average=None):
        return x.mean((1, 2)) * (1 if deterministic and inference and use_running_average else 2)

    np.testing.assert_allclose(scores(fn, W), X.mean((1, 2)), atol=1e-6)


def test_flags_of_a_jitted_function_and_of_a_method_are_found():
    def fn(params, x, train):
        return score(params, x) * (2 if train else 1)

    np.testing.assert_allclose(scores(jax.jit(fn, static_argnames="train"), W), EXPECTED, atol=1e-6)
    np.testing.assert_allclose(scores(Network(), W, method="other"), EXPECTED, atol=1e-6)
    doubled = scores(Network(), W, method="other", call_kwargs={"training": True})
    np.testing.assert_allclose(doubled, 2 * EXPECTED, atol=1e-6)


def test_leaves_that_are_no_arrays_stay_what_they_are():
    params = {**W, "act": "relu", "stride": 2, "nothing": None}

    def fn(params, x):
        assert params["nothing"] is None
        return score(params, getattr(jax.nn, params["act"])(x[:, :: params["stride"]]))

    pure = build(fn, (params,), AdaptOptions())
    assert pure.param_paths == ("w",)
    assert len(jax.tree.leaves(pure.params)) == 1
    np.testing.assert_allclose(jax.jit(pure.fn)(pure.params, X), score(W, X[:, ::2]), atol=1e-6)


def test_params_keep_the_users_own_tree_and_paths():
    params = {"b": [W["w"], {"c": jnp.ones(2)}], "a": (jnp.ones(1),)}
    pure = build(lambda params, x: x.mean((1, 2)) @ params["b"][0], (params,), AdaptOptions())
    assert pure.param_paths == ("a.0", "b.0", "b.1.c")
    assert jax.tree.structure(pure.params) == jax.tree.structure(params)


def test_a_function_without_params_comes_with_a_note():
    assert "kernels have no names" in build(lambda x: score(W, x), (), AdaptOptions()).notes[0]
    assert build(score, (W,), AdaptOptions()).notes == ()


def test_half_precision_numpy_parameters_are_taken():
    pure = build(score, ({"w": np.ones((3, 4), jnp.bfloat16)},), AdaptOptions())
    assert pure.params["w"].dtype == jnp.bfloat16


Named = collections.namedtuple("Named", "logits features")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y, x: (y, {"endpoint": x}),
        lambda y, x: (y, None),
        lambda y, x: {"features": x, "logits": y},
        lambda y, x: {"out": y},
        lambda y, x: [y],
        lambda y, x: Named(y, x),
        lambda y, x: {"logits": (y, {"endpoint": x})},
    ],
)
def test_scores_are_picked_where_there_is_one_way_to(wrap):
    np.testing.assert_allclose(scores(lambda params, x: wrap(score(params, x), x), W), EXPECTED, atol=1e-6)


@pytest.mark.parametrize(
    ("wrap", "text"),
    [
        (
            lambda y, x: (y, x),
            r"returns a tuple of 0 \(2, 4\), 1 \(2, 4, 4, 3\), and which of them are .* not clear; .* scores=0, or",
        ),
        (lambda y, x: {"a": y, "b": x}, r"returns a dict of a \(2, 4\), b \(2, 4, 4, 3\).* as in scores='a'"),
        (lambda y, x: None, "returns no array, but None"),
    ],
)
def test_scores_that_cannot_be_told_are_asked_for(wrap, text):
    with pytest.raises(ModelError, match=text):
        scores(lambda params, x: wrap(score(params, x), x), W)


@pytest.mark.parametrize(
    ("native", "options", "text"),
    [
        ((Network, W), {}, r"Network is a class; adapt an instance of it: Network\(...\)"),
        ((score, W, W), {}, "takes one pytree of params, got 2 arguments"),
        ((score,), {}, r"score cannot be called as \(x\): missing a required argument: 'x'"),
        ((lambda params, x, rate: x, W), {}, r"cannot be called as \(params, x\): .*'rate'; say call_kwargs"),
        ((score, W), {"call_kwargs": {"train": False}}, r"score cannot be called as \(params, x, train=False\)"),
        ((Network(), W), {"method": "missing"}, "Network has no method 'missing'"),
        ((score, {"w": jax.ShapeDtypeStruct((3, 4), jnp.float32)}), {}, "parameter w is a shape without numbers"),
        ((score, {"w": np.array(["a"])}), {}, "parameter w is not an array of numbers"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(native, options, text):
    with pytest.raises(ModelError, match=text):
        scores(*native, **options)
