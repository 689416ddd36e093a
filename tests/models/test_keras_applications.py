"""`keras:NAME` gives what Keras gives for the same image, and one sentence where something is missing."""

import inspect
import os
import sys

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ModelError, UsageError, WeightsError
from cnnviz_plugins.models.keras_applications import FEEDING, build, turn_first_kernel
from cnnviz_plugins.models.plugin import KERAS

NAMES = [(name, feeding) for feeding, names in KERAS.items() for name in names]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    module = pytest.importorskip("keras", reason="Keras is not installed")
    if module.backend.backend() != "jax":
        pytest.skip(f"Keras runs on {module.backend.backend()} here")
    return module


def fed(images, feeding):
    """Images in [0, 1] as they reach the network, its first kernel not turned."""
    mean, std = FEEDING[feeding]
    images = (images - np.array(mean)) / np.array(std)
    return images[..., ::-1] if feeding == "caffe" else images


@pytest.mark.parametrize(("name", "feeding"), NAMES)
def test_each_is_fed_as_keras_feeds_it(keras, name, feeding):
    images = np.random.default_rng(0).random((1, 4, 4, 3)).astype(np.float32)
    home = sys.modules[getattr(keras.applications, name).__module__]
    np.testing.assert_allclose(home.preprocess_input(images * 255), fed(images, feeding), atol=1e-4)


def test_the_table_has_all_that_this_keras_has(keras):
    offered = {name for name in dir(keras.applications) if name[0].isupper()}
    assert offered == {name for name, _ in NAMES}


def test_a_turned_first_kernel_takes_red_green_blue(keras):
    network = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.ReLU(), keras.layers.Conv2D(4, 3)])
    images = np.random.default_rng(0).random((2, 6, 6, 3)).astype(np.float32)
    expected = np.asarray(network(images[..., ::-1]))
    turn_first_kernel(network)
    np.testing.assert_allclose(np.asarray(network(images)), expected, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_each_can_be_asked_for_scores_without_weights(keras, name):
    options = inspect.signature(getattr(keras.applications, name)).parameters
    assert {"weights", "classifier_activation"} <= options.keys()


def stand_in(keras, channels=4):
    """What is called in place of a network of a hundred layers: it is made, fed and saved in the same way."""

    def make(weights, classifier_activation="softmax"):
        assert weights is None
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Conv2D(channels, 3),
                layers.BatchNormalization(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(5, activation=classifier_activation),
            ]
        )

    return make


@pytest.fixture
def saved(keras, tmp_path, monkeypatch):
    """A network with weights that are not those of a new one, and its file."""
    native = stand_in(keras)(weights=None)
    rng = np.random.default_rng(0)
    native.set_weights([rng.uniform(0.01, 0.05, variable.shape).astype(np.float32) for variable in native.variables])
    native.save_weights(tmp_path / "w.weights.h5")
    return native, tmp_path / "w.weights.h5"


# Keras converts its variables in a way that NumPy 2 calls outdated.
outdated = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@outdated
@pytest.mark.parametrize(("name", "feeding"), [("VGG16", "caffe"), ("MobileNet", "tf")])
def test_scores_are_those_of_keras_for_the_same_image(keras, saved, monkeypatch, name, feeding):
    native, file = saved
    home = sys.modules[getattr(keras.applications, name).__module__]
    monkeypatch.setattr(keras.applications, name, stand_in(keras))
    model = cv.load_model(f"keras:{name}", file)
    assert model.input_shape == (8, 8, 3)
    assert model.name == f"keras:{name}"
    assert model.warnings == ()
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype(np.float32)
    expected = np.log(np.asarray(native(home.preprocess_input(images * 255)), np.float64))
    scores = np.asarray(model(images), np.float64)
    np.testing.assert_allclose(np.diff(scores), np.diff(expected), rtol=1e-3, atol=1e-4)


@outdated
def test_weights_of_another_network_are_refused_in_a_sentence(keras, saved, monkeypatch):
    monkeypatch.setattr(keras.applications, "VGG16", stand_in(keras, channels=5))
    with pytest.raises(WeightsError, match=r"the weights in '.*' do not fit keras:VGG16: ") as fault:
        cv.load_model("keras:VGG16", saved[1])
    assert "\n" not in str(fault.value)


def test_without_weights_the_way_to_them_is_told(keras):
    with pytest.raises(
        WeightsError,
        match=r"keras:VGG16 needs weights, .*keras\.applications\.VGG16\(\)\.save_weights\('vgg16\.weights\.h5'\)",
    ):
        cv.load_model("keras:VGG16")


def test_without_keras_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UsageError, match=r"keras:VGG16 needs the package 'keras', .*'cnnviz-jax\[keras\]'"):
        cv.load_model("keras:VGG16")


def test_a_network_that_this_keras_lacks_is_told(keras, tmp_path):
    with pytest.raises(ModelError, match="the installed Keras has no VGG1000"):
        build("VGG1000", tmp_path / "w.h5", "caffe")
