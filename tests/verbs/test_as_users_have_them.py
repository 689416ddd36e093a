"""Images, models and results as users have them: bytes, device arrays, bfloat16, jit, copies, comparisons."""

import copy
import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.data.given import check_images
from cnnviz_jax.errors import ImageError, ModelError, UsageError

SHAPE = (6, 6, 3)


def forward(params, x):
    x = jax.lax.conv_general_dilated(x, params["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(x).mean((1, 2)) @ params["head"]


def parameters(dtype=jnp.float32):
    draw = np.random.default_rng(0).normal
    return {"conv": jnp.asarray(draw(size=(3, 3, 3, 4)) * 0.3, dtype), "head": jnp.asarray(draw(size=(4, 5)), dtype)}


MODEL = cv.adapt(forward, parameters(), input_shape=SHAPE)
BYTES = np.random.default_rng(1).integers(0, 256, (3, *SHAPE), np.uint8)
FLOATS = BYTES.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def explained():
    return cv.explain("input-x-gradient", MODEL, FLOATS, target=1)


@pytest.mark.parametrize("wrap", [lambda x: x, jnp.asarray, list, lambda x: [jnp.asarray(each) for each in x]])
def test_bytes_are_scaled_and_the_result_says_so(wrap, explained):
    np.testing.assert_array_equal(MODEL(wrap(BYTES)), MODEL(FLOATS))
    found = cv.explain("input-x-gradient", MODEL, wrap(BYTES), target=1)
    np.testing.assert_array_equal(found.values, explained.values)
    np.testing.assert_array_equal(found.images, FLOATS)
    assert dict(found.provenance.notes)["images"] == "uint8, divided by 255"
    assert "images" not in dict(explained.provenance.notes)


def test_whole_numbers_of_no_known_scale_are_refused():
    for dtype in (np.int32, np.uint16, bool):
        with pytest.raises(ImageError, match=r"floats in \[0, 1\] or bytes \(uint8\), got "):
            MODEL(BYTES.astype(dtype))


def test_images_on_a_device_stay_there(explained, tmp_path):
    there = jnp.asarray(FLOATS)
    assert check_images(there, SHAPE, on_device=True) is there
    found = cv.explain("input-x-gradient", MODEL, there, target=1, names=["a", "b", "c"])
    assert found.images is there
    np.testing.assert_array_equal(found.values, explained.values)
    cv.save(found, tmp_path / "found.npz")
    np.testing.assert_array_equal(cv.load(tmp_path / "found.npz").images, FLOATS)
    with pytest.raises(ImageError, match="image 1 has values that are not finite"):
        MODEL(there.at[1, 2, 2, 0].set(jnp.nan))


def test_images_on_another_device_and_hundreds_of_them_are_taken():
    elsewhere = jax.device_put(FLOATS, jax.devices()[-1])
    np.testing.assert_array_equal(MODEL(elsewhere), MODEL(FLOATS))
    many = np.concatenate([FLOATS] * 70)
    np.testing.assert_allclose(MODEL(many), np.concatenate([MODEL(FLOATS)] * 70), atol=1e-6)
    np.testing.assert_allclose(MODEL(jnp.asarray(many)), MODEL(many), atol=1e-6)


@pytest.mark.parametrize("technique", ["saliency", "integrated-gradients", "grad-cam", "occlusion", "lrp"])
def test_bfloat16_parameters_are_explained(technique):
    model = cv.adapt(forward, parameters(jnp.bfloat16), input_shape=SHAPE)
    options = {"occlusion": {"window": 2}, "integrated-gradients": {"nodes": 4}}.get(technique, {})
    found = cv.explain(technique, model, FLOATS[:1], target=1, **options)
    plain = cv.explain(technique, MODEL, FLOATS[:1], target=1, **options)
    assert np.isfinite(found.values).all()
    gap = np.abs(np.asarray(found.values) - np.asarray(plain.values)).max()
    assert gap < 0.1 * np.abs(plain.values).max()
    assert "images are cast to bfloat16, as the parameters are" in model.warnings


def test_jit_over_a_model_works_and_over_an_explanation_names_the_way_that_does():
    plain = MODEL(FLOATS)
    np.testing.assert_allclose(jax.jit(lambda x: MODEL(x))(FLOATS), plain, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: MODEL(x))(BYTES), plain, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(MODEL, FLOATS), plain, atol=1e-6)
    with pytest.raises(UsageError, match=r"the images are traced by jit.*jax\.grad\(lambda image: model\.score"):
        jax.jit(lambda x: cv.explain("saliency", MODEL, x, target=1).values)(FLOATS)
    with pytest.raises(UsageError, match="the parameters of forward are traced by jit"):
        jax.jit(lambda m: cv.explain("saliency", m, FLOATS, target=1).values)(MODEL)
    target = cv.targets.ClassScore(jnp.asarray(1))
    way = jax.jit(jax.vmap(jax.grad(lambda image: MODEL.score(image, target)[0])))(FLOATS)
    heat = cv.explain("saliency", MODEL, FLOATS, target=1)
    np.testing.assert_allclose(np.abs(way).max(-1), np.abs(heat.values).reshape(3, 6, 6, -1).max(-1), atol=1e-6)


def test_models_are_copied_and_say_why_they_are_not_pickled():
    deep, shallow = copy.deepcopy(MODEL), copy.copy(MODEL)
    np.testing.assert_array_equal(deep(FLOATS), MODEL(FLOATS))
    assert deep.structure is shallow.structure is MODEL.structure
    assert shallow.params is MODEL.params
    assert deep.params is not MODEL.params
    with pytest.raises(ModelError, match=r"forward cannot be pickled: .*call cv\.adapt again where it is read"):
        pickle.dumps(MODEL)


def test_results_are_compared_number_by_number(explained):
    again = cv.explain("input-x-gradient", MODEL, FLOATS, target=1)
    other = cv.explain("input-x-gradient", MODEL, FLOATS, target=2)
    assert explained == again
    assert explained != other
    assert explained != "something else"
    assert dataclasses.replace(explained, values=np.full_like(explained.values, np.nan)) == dataclasses.replace(
        explained, values=np.full_like(explained.values, np.nan)
    )
    assert explained != dataclasses.replace(explained, extras={"more": np.zeros(3)})
    assert cv.inspect("filters", MODEL, layer="conv") == cv.inspect("filters", MODEL, layer="conv")
