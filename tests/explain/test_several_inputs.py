"""Models of several inputs: one score, one path, a map for each input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerKindError, ModelError, WindowError
from cnnviz_jax.model.one_input import with_others

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


def conv_map(x):
    spec = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, PARAMS["conv"], (1, 1), "SAME", dimension_numbers=spec))


def linear(params, x):
    return (x["image"] * x["age"].sum(1)[:, None, None, None]).mean((1, 2)) @ params


def occluded(name, box, fill):
    changed = {each: array.copy() for each, array in INPUTS.items()}
    changed[name][(slice(None), *box)] = fill
    return (network(PARAMS, INPUTS) - network(PARAMS, changed))[:, 1]


@pytest.mark.parametrize("engine", ["dense", "incremental"])
def test_windows_occlude_one_input_and_leave_the_others(engine):
    found = cv.explain(
        "occlusion", MODEL, INPUTS, target=1, window={"image": (2, 3), "age": 1}, stride=1, fill=0.25, engine=engine
    )
    image, age = found.inputs["image"], found.inputs["age"]
    grid = [[occluded("image", (slice(r, r + 2), slice(c, c + 3)), 0.25) for c in range(2)] for r in range(4)]
    np.testing.assert_allclose(image.low_res, np.moveaxis(np.asarray(grid), 2, 0), atol=1e-5)
    np.testing.assert_allclose(age.low_res, np.stack([occluded("age", (k,), 0.25) for k in range(2)], 1), atol=1e-5)
    assert image.values.shape == (2, 5, 4)
    np.testing.assert_allclose(image.scores, network(PARAMS, INPUTS)[:, 1], atol=1e-6)
    np.testing.assert_allclose(image.extras["share"] + age.extras["share"], 1, atol=1e-6)
    np.testing.assert_array_equal(image.images, INPUTS["image"])
    assert found.values.shape == (2, 62)
    assert dict(found.provenance.notes)["inputs"] == "each alone, the others as given"


def test_class_activation_maps_are_of_the_inputs_that_have_maps():
    with pytest.warns(cv.CnnvizWarning, match="input 'age' is left out: .* has no layer with a map"):
        found = cv.explain("grad-cam", MODEL, INPUTS)
    assert list(found.inputs) == ["image"]
    target = np.asarray(network(PARAMS, INPUTS)).argmax(1)
    np.testing.assert_array_equal(found.target, target)

    def upper(y):
        out = jnp.tanh(y.mean((1, 2)) + INPUTS["age"] @ PARAMS["age"]) @ PARAMS["head"]
        return out[jnp.arange(2), target].sum()

    values = conv_map(INPUTS["image"])
    weights = jax.grad(upper)(values).mean((1, 2), keepdims=True)
    np.testing.assert_allclose(found.inputs["image"].low_res, jax.nn.relu((values * weights).sum(-1)), atol=1e-6)
    assert found.inputs["image"].provenance.layer == "relu"


def test_results_of_inputs_explained_alone_are_stored_cut_and_made_again(tmp_path):
    found = cv.explain("feature-ablation", MODEL, INPUTS, segments="grid(2)", names=["one", "two"])
    cv.save(found, tmp_path / "found.npz")
    assert cv.load(tmp_path / "found.npz") == found
    second = found[1].inputs["image"]
    np.testing.assert_array_equal(second.values, found.inputs["image"].values[1:])
    assert second.names == ("two",)
    again = cv.rerun(found.provenance, MODEL, INPUTS)
    np.testing.assert_array_equal(again.inputs["age"].values, found.inputs["age"].values)
    assert cv.figure(found.inputs["image"]).axes


def test_one_of_several_inputs_is_a_model_of_its_own():
    others = {"age": INPUTS["age"][0]}
    alone = MODEL.of_input("image", others)
    np.testing.assert_allclose(alone(INPUTS["image"][:1]), network(PARAMS, INPUTS)[:1], atol=1e-6)
    assert alone.shape == SHAPES["image"]
    assert alone.layers["relu"].receptive_field.size == (3, 3)
    other = with_others(alone, {"age": INPUTS["age"][1]})
    assert other.structure is alone.structure
    np.testing.assert_allclose(other(INPUTS["image"][1:]), network(PARAMS, INPUTS)[1:], atol=1e-6)
    with pytest.raises(ModelError, match=r"has no input 'imag'.*image"):
        MODEL.of_input("imag", others)
    with pytest.raises(ImageError, match="beside 'image' the model takes age, one of each; got height"):
        MODEL.of_input("image", {"height": INPUTS["age"][0]})
    with pytest.raises(ImageError, match=r"input 'age' is \(2,\), one example; got \(2, 2\)"):
        MODEL.of_input("image", {"age": INPUTS["age"]})
    with pytest.raises(ModelError, match="takes one input already"):
        alone.of_input("image", {})


def test_volumes_and_channels_first_stay_what_they_are_beside_another_input():
    def both(params, x):
        names = ("NCDHW", "DHWIO", "NCDHW")
        y = jax.lax.conv_general_dilated(x["scan"], params["conv"], (1, 1, 1), "SAME", dimension_numbers=names)
        return jax.nn.relu(y).mean((2, 3, 4)) * x["photo"].mean((2, 3))

    params = {"conv": numbers(3, 3, 3, 1, 2)}
    model = cv.adapt(both, params, input_shape={"scan": (4, 5, 6, 1), "photo": (3, 4, 2)}, axes="NCHW")
    x = {"scan": RANDOM.random((1, 4, 5, 6, 1), np.float32), "photo": RANDOM.random((1, 3, 4, 2), np.float32)}
    dense = cv.explain("occlusion", model, x, target=0, window=2, stride=1, engine="dense")
    alone = cv.explain("occlusion", model, x, target=0, window=2, stride=1, engine="incremental")
    for name, shape in {"scan": (1, 4, 5, 6), "photo": (1, 3, 4)}.items():
        assert dense.inputs[name].values.shape == shape
        np.testing.assert_allclose(alone.inputs[name].values, dense.inputs[name].values, atol=1e-5)


def test_what_cannot_be_done_with_several_inputs_says_so():
    with pytest.raises(LayerKindError, match="no input of network can be explained so: no layer 'nothing' in network"):
        cv.explain("grad-cam", MODEL, INPUTS, layer="nothing")
    with pytest.raises(LayerKindError, match="feature-permutation takes parts of one example from another"):
        cv.explain("feature-permutation", MODEL, INPUTS)
    with pytest.raises(LayerKindError, match=r"no input of linear .*rewrites ReLUs"):
        cv.explain("guided-grad-cam", cv.adapt(linear, numbers(3, 2), input_shape=SHAPES), INPUTS)
    with pytest.raises(WindowError, match="input 'age': window is one number, or one for each of 1 axes"):
        cv.explain("occlusion", MODEL, INPUTS, target=1, window=(2, 2, 2))
    with pytest.raises(ModelError, match="mean and std are of one input's channels"):
        cv.adapt(network, PARAMS, input_shape=SHAPES, mean=0.5)
    single = cv.adapt(lambda p, x: x.mean((1, 2)) @ p, numbers(3, 2), input_shape=(4, 4, 3))
    for call in (single, jax.jit(lambda x: single(x))):
        with pytest.raises(ImageError, match="the model takes one input, got a mapping of"):
            call(INPUTS)
