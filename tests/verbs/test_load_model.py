"""`cv.load_model("package.module:factory")`, as the command line has it."""

import sys

import numpy as np
import pytest

import cnnviz_jax as cv

FACTORY = """
import pathlib

import jax.numpy as jnp

import cnnviz_jax as cv


def fn(params, x):
    return x.mean((1, 2)) * params["scale"]


def build(weights=None):
    scale = 1.0 if weights is None else float(pathlib.Path(weights).read_text())
    return fn, {"scale": jnp.float32(scale)}, {"input_shape": (4, 4, 3), "labels": ["red", "green", "blue"]}


def model():
    return cv.adapt(fn, {"scale": jnp.float32(1.0)}, input_shape=(4, 4, 3))


def shapeless():
    return fn, {"scale": jnp.float32(1.0)}, {"labels": ["red", "green", "blue"]}


def failing(weights=None):
    return 1 / 0


def nothing():
    return ()


number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """`loaded_net.py` in the current folder, which is not on the path."""
    (tmp_path / "loaded_net.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    yield
    sys.modules.pop("loaded_net", None)


IMAGES = np.ones((1, 4, 4, 3), np.float32)


def test_a_factory_in_the_current_folder_is_found_and_its_keywords_reach_adapt():
    model = cv.load_model("loaded_net:build")
    assert (model.input_shape, tuple(model.labels)) == ((4, 4, 3), ("red", "green", "blue"))
    np.testing.assert_allclose(model(IMAGES), [[1, 1, 1]])


def test_a_factory_may_return_a_model():
    np.testing.assert_allclose(cv.load_model("loaded_net:model")(IMAGES), [[1, 1, 1]])


def test_weights_are_handed_to_the_factory(tmp_path):
    (tmp_path / "half.txt").write_text("0.5")
    for weights in ("half.txt", tmp_path / "half.txt"):
        np.testing.assert_allclose(cv.load_model("loaded_net:build", weights)(IMAGES), [[0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("name", "weights", "error", "text"),
    [
        ("loaded_net:failing", None, cv.errors.ModelError, r"loaded_net:failing failed: ZeroDivisionError"),
        (
            "loaded_net:failing",
            "loaded_net.py",
            cv.errors.ModelError,
            "called with the weights' path, failed",
        ),
        ("loaded_net:nothing", None, cv.errors.ModelError, "the factory returned an empty tuple"),
        ("loaded_net:number", None, cv.errors.UsageError, "is of type int; name a function"),
        ("loaded_net:absent", None, cv.errors.UsageError, "cannot be imported: loaded_net has no 'absent'"),
        ("absent_net:build", None, cv.errors.UsageError, "no module 'absent_net' in the current folder or among"),
        ("keras:ResNet5", None, cv.errors.UnknownNameError, "no model 'keras:ResNet5'. Did you mean 'keras:ResNet50'"),
        ("loaded_net:", None, cv.errors.UnknownNameError, "no model 'loaded_net:'"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_sentence(name, weights, error, text):
    with pytest.raises(error, match=text):
        cv.load_model(name, weights)


def test_a_dict_without_input_shape_is_no_keywords():
    with pytest.raises(cv.errors.CnnvizError):
        cv.load_model("loaded_net:shapeless")
