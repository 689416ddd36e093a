"""Techniques of images and classes: inversion, caricature, deepdream, accentuation, adversarial, class model."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, TargetError, UsageError
from tests.explain.small_network import model, some_images


def test_an_inversion_comes_near_the_layers_values_and_the_image():
    images = 0.3 + 0.4 * some_images(2)
    made = cv.synthesize("inversion", model(), layer="conv1", images=images, steps=150, beta_weight=1e-4)
    wanted, found = (cv.capture(model(), x, ["conv1"])["conv1"] for x in (images, made.raw))
    error = np.square(found - wanted).sum((1, 2, 3)) / np.square(wanted).sum((1, 2, 3))
    np.testing.assert_allclose(-made.activation, error, rtol=1e-3, atol=1e-6)
    assert (error < 0.01).all()
    assert made.status == ("ok", "ok")


def test_a_caricature_points_further_along_than_the_image():
    images = some_images(1)
    made = cv.synthesize("caricature", model(), layer="conv1", images=images, steps=40, transforms="none")
    wanted, found = (np.asarray(cv.capture(model(), x, ["conv1"])["conv1"][0]).ravel() for x in (images, made.raw))
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.8
    assert made.activation[0] > made.curves[0, 0]


def test_a_dream_raises_the_layers_squares_from_the_image():
    images = some_images(2)
    made = cv.synthesize("deepdream", model(), layer="conv1", images=images, steps=12, octaves=1, jitter_px=2)
    before, after = (np.square(cv.capture(model(), x, ["conv1"])["conv1"]).mean((1, 2, 3)) for x in (images, made.raw))
    assert (after > before).all()
    np.testing.assert_allclose(made.activation, after, rtol=1e-4)
    assert np.abs(made.raw - images).mean() < 0.3


def test_more_is_kept_when_more_is_to_be_kept():
    images = 0.3 + 0.4 * some_images(1)
    options = {"layer": "conv2", "channels": [1], "images": images, "steps": 15, "transforms": "none"}
    loose = cv.synthesize("accentuation", model(), **options, keep=0.0)
    tight = cv.synthesize("accentuation", model(), **options, keep=50.0)
    change = [np.abs(made.raw - images).mean() for made in (loose, tight)]
    assert change[1] < 0.7 * change[0]
    assert loose.activation[0] > loose.curves[0, 0]
    assert dict(loose.provenance.notes)["keep_layer"] == "conv1"


def scores(weights, x):
    return x.reshape(len(x), -1) @ weights


def test_the_least_change_of_a_linear_classifier_is_exact():
    # DeepFool, section 2: the distance to a hyperplane is |margin| / ||difference of weights||.
    weights = np.random.default_rng(0).normal(size=(27, 2)).astype(np.float32)
    net = cv.adapt(scores, jnp.asarray(weights), input_shape=(3, 3, 3))
    image = np.full((1, 3, 3, 3), 0.5, np.float32)
    margin = image.reshape(-1) @ (weights[:, 0] - weights[:, 1])
    towards = 0 if margin < 0 else 1
    made = cv.synthesize("adversarial", net, target=towards, images=image)
    exact = abs(margin) / np.linalg.norm(weights[:, 0] - weights[:, 1])
    np.testing.assert_allclose(made.extras["change_l2"], exact, rtol=5e-3)
    assert made.status == ("ok",)
    assert net(made.raw)[0].argmax() == towards
    assert "attacks the network" in made.warnings[0]
    there = cv.synthesize("adversarial", net, target=1 - towards, images=image)
    np.testing.assert_array_equal(there.raw, image)


def test_a_class_model_raises_its_score_and_stays_near_the_mean():
    near = cv.synthesize("class-model", model(), target=[0, 2], steps=30, penalty=1.0)
    far = cv.synthesize("class-model", model(), target=[0, 2], steps=30, penalty=1e-3)
    assert (far.activation > far.curves[:, 0]).all()
    assert (np.square(near.raw - 0.5).sum((1, 2, 3)) < np.square(far.raw - 0.5).sum((1, 2, 3))).all()


@pytest.mark.parametrize(
    ("technique", "options", "error", "text"),
    [
        ("inversion", {"layer": "conv1"}, ImageError, "inversion works on images; say images="),
        ("inversion", {"images": some_images(1)}, UsageError, "inversion looks at one layer; say layer=, such as"),
        (
            "deepdream",
            {"layer": "conv1", "channels": [1], "images": some_images(1)},
            TargetError,
            "channels mean nothing here",
        ),
        ("class-model", {"layer": "conv1"}, TargetError, "class-model maximises class scores"),
        ("adversarial", {"layer": "conv1", "images": some_images(1), "channels": [0]}, TargetError, "towards a class"),
        ("inversion", {"layer": "conv1", "images": some_images(1), "rate": 0}, UsageError, "rate is positive"),
    ],
)
def test_says_what_is_wrong(technique, options, error, text):
    with pytest.raises(error, match=text):
        cv.synthesize(technique, model(), **options)
