"""Models of several inputs: one score, one path, a map for each input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerKindError, ModelError, WindowError

RANDOM = np.random.default_rng(0)
SHAPES = {"image": (5, 4, 3), "age": (2,)}


def numbers(*shape):
    return jnp.asarray(RANDOM.normal(size=shape) * 0.5, jnp.float32)


PARAMS = {"conv": numbers(3, 3, 3, 4), "age": numbers(2, 4), "head": numbers(4, 3)}


def network(params, x):
    spec = ("NHWC", "HWIO", "NHWC")
    y = jax.nn.relu(jax.lax.conv_general_dilated(x["image"], params["conv"], (1, 1), "SAME", dimension_numbers=spec))
    return jnp.tanh(y.mean((1, 2)) + x["age"] @ params["age"]) @ params["head"]


MODEL = cv.adapt(network, PARAMS, input_shape=SHAPES)
INPUTS = {name: RANDOM.random((2, *shape), np.float32) for name, shape in SHAPES.items()}
SLOPES = jax.grad(lambda x: network(PARAMS, x)[:, 1].sum())(jax.tree.map(jnp.asarray, INPUTS))


def test_the_model_takes_a_mapping_of_one_or_many():
    expected = network(PARAMS, INPUTS)
    np.testing.assert_allclose(MODEL(INPUTS), expected, atol=1e-6)
    one = {name: array[0] for name, array in INPUTS.items()}
    np.testing.assert_allclose(MODEL(one), expected[:1], atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: MODEL(x))(INPUTS), expected, atol=1e-6)
    assert MODEL.shape == SHAPES
    assert "several inputs (image, age)" in repr(MODEL)
    assert not MODEL.warnings


def test_each_input_has_a_map_with_its_own_axes_and_its_share():
    found = cv.explain("input-x-gradient", MODEL, INPUTS, target=1)
    assert list(found.inputs) == ["image", "age"]
    total = sum(np.abs(INPUTS[name] * SLOPES[name]).reshape(2, -1).sum(1) for name in SHAPES)
    for name, part in found.inputs.items():
        np.testing.assert_allclose(part.values, INPUTS[name] * SLOPES[name], atol=1e-6)
        np.testing.assert_array_equal(part.images, INPUTS[name])
        own = np.abs(INPUTS[name] * SLOPES[name]).reshape(2, -1).sum(1)
        np.testing.assert_allclose(part.extras["share"], own / total, rtol=1e-4)
    assert not cv.explain("saliency", MODEL, INPUTS, target=1).inputs["image"].inputs


def test_all_inputs_move_along_one_path_from_one_baseline():
    zeros = cv.explain("integrated-gradients", MODEL, INPUTS, target=1, baseline=0.0)
    given = {"image": np.zeros(SHAPES["image"], np.float32), "age": np.full(2, 0.5, np.float32)}
    other = cv.explain("integrated-gradients", MODEL, INPUTS, target=1, baseline=given)
    for found, start in ((zeros, {name: 0 * array for name, array in given.items()}), (other, given)):
        base = network(PARAMS, {name: jnp.broadcast_to(start[name], INPUTS[name].shape) for name in SHAPES})
        shares = sum(np.asarray(part.values).reshape(2, -1).sum(1) for part in found.inputs.values())
        np.testing.assert_allclose(shares, network(PARAMS, INPUTS)[:, 1] - base[:, 1], atol=1e-5)


def test_results_are_stored_and_drawn(tmp_path):
    found = cv.explain("input-x-gradient", MODEL, INPUTS, target=1)
    cv.save(found, tmp_path / "found.npz")
    again = cv.load(tmp_path / "found.npz")
    assert again == found
    np.testing.assert_array_equal(again.inputs["age"].values, found.inputs["age"].values)
    assert cv.figure(found.inputs["image"]).axes
    assert cv.figure(found.inputs["age"]).axes


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"image": INPUTS["image"]}, "takes a mapping of arrays called image, age; got image"),
        (INPUTS["image"], "takes a mapping of arrays called image, age; got ndarray"),
        (
            {**INPUTS, "age": np.zeros((2, 3), np.float32)},
            r"input 'age' is \(2,\), or several .* array of \(2, 3\)",
        ),
        ({**INPUTS, "age": np.zeros((2, 2), np.int32)}, "input 'age' holds int32, and only floats have gradients"),
        ({**INPUTS, "age": np.zeros((3, 2), np.float32)}, "inputs come in equal numbers.* got image 2, age 3"),
    ],
)
def test_inputs_that_do_not_fit_are_said_in_a_sentence(inputs, text):
    with pytest.raises(ImageError, match=text):
        MODEL(inputs)


def test_what_looks_at_places_of_one_input_says_so():
    with pytest.raises(LayerKindError, match=r"grad-cam works on one input; network takes several inputs \(image"):
        cv.explain("grad-cam", MODEL, INPUTS, target=1)
    with pytest.raises(WindowError, match="occlusion moves a window over one input"):
        cv.explain("occlusion", MODEL, INPUTS, target=1)
    with pytest.raises(ModelError, match="mean and std are of one input's channels"):
        cv.adapt(network, PARAMS, input_shape=SHAPES, mean=0.5)
    single = cv.adapt(lambda p, x: x.mean((1, 2)) @ p, numbers(3, 2), input_shape=(4, 4, 3))
    for call in (single, jax.jit(lambda x: single(x))):
        with pytest.raises(ImageError, match="the model takes one input, got a mapping of"):
            call(INPUTS)
