"""Keras 3 models: the names of `summary()`, weights by Keras's own paths, and inference always said."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError

keras = pytest.importorskip("keras", reason="keras is not installed")
from keras import layers  # noqa: E402  # only where keras is installed

SHAPE = (8, 8, 3)


def some_images():
    return np.random.default_rng(0).random((2, *SHAPE), np.float32)


def check(model, *, names, **options):
    """Adapt, and hold the scores to the model's own."""
    adapted = cv.adapt(model, **options)
    head = adapted.structure.head
    found = jax.nn.softmax(adapted(some_images())) if head else adapted(some_images())
    np.testing.assert_allclose(found, model(some_images(), training=False), atol=1e-5)
    assert set(names) <= set(adapted.layers), list(adapted.layers)
    return adapted


def test_a_sequential_model_knows_its_size_and_names_a_softmax_head():
    model = keras.Sequential(
        [
            keras.Input(SHAPE), layers.Rescaling(2.0, -1.0), layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.RandomFlip(), layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(5, activation="softmax", name="predictions"),
        ]
    )  # fmt: skip
    adapted = check(model, names=["conv", "conv.conv", "conv.relu", "pool"])
    assert adapted.input_shape == SHAPE
    assert "ends in a softmax" in adapted.warnings[0]
    assert adapted.layers["conv.conv"].kernel.shape == (3, 3, 3, 4)


def test_nested_models_and_layers_that_are_shared():
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(3, 3, padding="same", name="conv")], name="inner")
    x = inputs = keras.Input(SHAPE)
    x = layers.Add(name="skip")([shared(shared(x)), inner(x)])
    model = keras.Model(inputs, layers.Dense(5, name="fc")(layers.Flatten(name="flat")(x)))
    check(model, names=["shared", "shared#1", "inner.conv", "skip", "flat", "fc"])


@pytest.mark.parametrize("form", ["channels_first", "half"])
def test_other_layouts_and_precisions(form):
    data, dtype = ("channels_first", "float32") if form == "channels_first" else ("channels_last", "mixed_bfloat16")
    inputs = keras.Input((3, 8, 8) if form == "channels_first" else SHAPE)
    x = layers.Conv2D(4, 3, data_format=data, dtype=dtype, name="conv")(inputs)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D(data_format=data, dtype=dtype)(x))
    adapted = cv.adapt(model)
    assert adapted.input_shape == SHAPE
    assert adapted.layers["conv"].shape == (6, 6, 4)
    own = np.moveaxis(some_images(), -1, 1) if form == "channels_first" else some_images()
    np.testing.assert_allclose(adapted(some_images()), np.asarray(model(own), np.float32), atol=1e-2)


class Stubborn(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = layers.BatchNormalization()

    def call(self, x):
        return keras.ops.mean(self.norm(x, training=True), (1, 2))


def test_training_mode_is_refused():
    model = Stubborn()
    model(some_images())
    with pytest.raises(ModelError, match="mixes the images of a batch"):
        cv.adapt(model, input_shape=SHAPE)
    drop = keras.Sequential([keras.Input(SHAPE), layers.Dropout(0.5), layers.Flatten()])
    assert not cv.adapt(drop).warnings
    with pytest.raises(ModelError, match="draws random numbers"):
        cv.adapt(drop, call_kwargs={"training": True})


def test_what_does_not_fit_is_said():
    with pytest.raises(ModelError, match=r"stubborn.* has no weights yet; call it once on an image"):
        cv.adapt(Stubborn(), input_shape=SHAPE)
    first, second = keras.Input(SHAPE), keras.Input((4,))
    several = keras.Model([first, second], layers.Flatten()(first), name="several")
    with pytest.raises(ModelError, match="several takes 2 inputs; where they are a dictionary say input_shape"):
        cv.adapt(several)
    single = keras.Sequential([keras.Input(SHAPE), layers.Flatten()], name="single")
    with pytest.raises(ModelError, match="single holds its own weights"):
        cv.adapt(single, {})
    with pytest.raises(ModelError, match=r"a Keras model is called as a whole; for 'features' adapt keras\.Model"):
        cv.adapt(single, method="features")


def test_another_backend_is_one_sentence():
    pytest.importorskip("torch", reason="torch is not installed: there is no other backend to try")
    code = """
import keras, cnnviz_jax as cv
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()], name="net")
try:
    cv.adapt(model)
except cv.errors.ModelError as error:
    print(error)
"""
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("net runs on Keras's torch backend; set KERAS_BACKEND=jax"), done.stderr


def test_series_and_several_inputs_of_a_dictionary():
    series = keras.Sequential([keras.Input((12, 2)), layers.Conv1D(3, 3), layers.GlobalAveragePooling1D()])
    model, x = cv.adapt(series), np.random.default_rng(0).random((2, 12, 2), np.float32)
    assert model.shape == (12, 2)
    np.testing.assert_allclose(model(x), series(x), atol=1e-5)
    given = {"image": keras.Input((4, 4, 3), name="image"), "age": keras.Input((1,), name="age")}
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(given["image"]), given["age"]])
    both = keras.Model(given, layers.Dense(2)(joined))
    with pytest.raises(ModelError, match=r"takes 2 inputs; where they are a dictionary say input_shape=\{name"):
        cv.adapt(both)
    model = cv.adapt(both, input_shape={"image": (4, 4, 3), "age": (1,)})
    inputs = {"image": np.ones((2, 4, 4, 3), np.float32), "age": np.ones((2, 1), np.float32)}
    np.testing.assert_allclose(model(inputs), both(inputs), atol=1e-5)
    assert set(cv.explain("input-x-gradient", model, inputs, target=0).inputs) == {"image", "age"}
