"""Haiku's transformed functions: their modules' names, their state, and a mode that is found or said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

hk = pytest.importorskip("haiku", reason="haiku is not installed")
SHAPE = (8, 8, 3)
ONE = np.zeros((1, *SHAPE), np.float32)


def some_images():
    return np.random.default_rng(0).random((2, *SHAPE), np.float32)


def head(x):
    return hk.Linear(5, name="head")(x.mean((1, 2)))


def without_a_root(x):
    return head(jax.nn.relu(hk.Conv2D(4, 3, name="stem")(x)))


def check(fn, *, names, kwargs=None, **options):
    """Transform, adapt, and hold the scores to the function's own."""
    transformed = hk.transform(fn)
    params = transformed.init(jax.random.key(0), ONE, **(kwargs or {}))
    model = cv.adapt(transformed, params, input_shape=SHAPE, **options)
    np.testing.assert_allclose(
        model(some_images()), transformed.apply(params, None, some_images(), **(kwargs or {})), atol=1e-5
    )
    assert set(names) <= set(model.layers), list(model.layers)
    return model


def test_functions_without_an_outermost_module_keep_all_names():
    model = check(without_a_root, names=["stem", "relu", "head"])
    assert model.name == "without_a_root"
    assert model.structure.pure.param_paths == ("head.b", "head.w", "stem.b", "stem.w")


class Net(hk.Module):
    def __init__(self, depth=1):
        super().__init__(name="net")
        self.stem = hk.Conv2D(4, 3, name="stem")
        self.depth = depth

    def __call__(self, x):
        x = self.stem(x)
        step = hk.Conv2D(4, 3, name="shared")
        return head(step(jax.nn.relu(step(x))))


def test_the_outermost_module_is_left_out_and_haikus_own_spelling_is_known():
    model = check(lambda x: Net()(x), names=["stem", "shared", "shared#1", "head"])
    assert model.layers["net/~/stem"] is model.layers["stem"]


def test_stacked_layers_are_numbered():
    def fn(x):
        block = hk.experimental.layer_stack(3)(lambda x: jax.nn.relu(hk.Conv2D(3, 3, name="conv")(x)))
        return head(block(x))

    convs = [name for name, layer in check(fn, names=["head"]).layers.items() if layer.kind == "conv"]
    assert len(convs) == 3
    assert "[2]" in convs[2]


def test_remat_is_read_through():
    def fn(x):
        return head(hk.remat(lambda x: jax.nn.relu(hk.Conv2D(4, 3, name="conv")(x)))(x))

    check(fn, names=["conv", "relu"])


def dropping(x, is_training):
    return head(hk.dropout(hk.next_rng_key(), 0.5, x) if is_training else x)


def test_the_mode_is_found_in_the_functions_own_signature():
    check(dropping, names=["head"], kwargs={"is_training": False})


def test_a_function_that_needs_no_key_may_be_without_one():
    transformed = hk.without_apply_rng(hk.transform(without_a_root))
    params = transformed.init(jax.random.key(0), ONE)
    for given in ((transformed, params), ((transformed, params),)):
        np.testing.assert_allclose(
            cv.adapt(*given, input_shape=SHAPE)(some_images()), transformed.apply(params, some_images()), atol=1e-5
        )


def test_training_mode_is_refused():
    transformed = hk.transform(dropping)
    params = transformed.init(jax.random.key(0), ONE, False)
    with pytest.raises(ModelError, match=r"dropping is in training mode: it draws random numbers; say call_kwargs"):
        cv.adapt(transformed, params, input_shape=SHAPE, call_kwargs={"is_training": True})

    def normed(x, mode):
        return head(hk.BatchNorm(True, True, 0.9)(x, mode == "train"))

    stateful = hk.transform_with_state(normed)
    params, state = stateful.init(jax.random.key(0), ONE, "train")
    with pytest.raises(ModelError, match=r"cannot be called as \(x\).*'mode'; say call_kwargs"):
        cv.adapt(stateful, params, state, input_shape=SHAPE)
    with pytest.raises(ModelError, match="mixes the images of a batch"):
        cv.adapt(stateful, params, state, input_shape=SHAPE, call_kwargs={"mode": "train"})
    assert not cv.adapt(stateful, params, state, input_shape=SHAPE, call_kwargs={"mode": "test"}).warnings


def test_what_does_not_fit_is_said():
    transformed = hk.transform(without_a_root)
    params = transformed.init(jax.random.key(0), ONE)
    with pytest.raises(
        ModelError, match=r"cv\.adapt\(transformed, params, \.\.\.\) takes what init returned, got nothing"
    ):
        cv.adapt(transformed, input_shape=SHAPE)
    with pytest.raises(ModelError, match=r"the parameters do not fit without_a_root, or input_shape is not .*stem"):
        cv.adapt(transformed, params, input_shape=(8, 8, 1))
    with pytest.raises(ModelError, match="a transformed function has no methods"):
        cv.adapt(transformed, params, input_shape=SHAPE, method="features")
    with pytest.raises(ModelError, match=r"two parameters have the path net\.head\.b"):
        cv.adapt(transformed, {"net/head": {"b": jnp.ones(1)}, "net.head": {"b": jnp.ones(1)}}, input_shape=SHAPE)
