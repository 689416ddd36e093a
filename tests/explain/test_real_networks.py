"""Published numbers on the real SqueezeNet 1.1 and real images: gradient, Grad-CAM, occlusion.

The numbers come from a float64 run of the published weights in another framework; a float32 run differs by up
to 2e-5 in logits and 2.1e-6 in probabilities.
"""

import numpy as np
import pytest

import cnnviz_jax as cv


@pytest.fixture(scope="module")
def squeezenet(shared_data):
    return cv.load_model("squeezenet1_1", weights=shared_data / "weights" / "squeezenet1_1.safetensors")


@pytest.fixture(scope="module")
def cat_and_dog(shared_data, squeezenet):
    return cv.load_image(shared_data / "images" / "cat_dog_both.png", squeezenet)


def centroid_row(heat):
    return (heat.sum(1) * np.arange(len(heat))).sum() / heat.sum()


def test_gradient_of_the_top_logit(shared_data, squeezenet, cat_and_dog):
    heat = np.asarray(cv.explain("saliency", squeezenet, cat_and_dog, 243).values, np.float64)
    normalised = heat * np.asarray(squeezenet.structure.std)  # the source differentiates the normalised input
    np.testing.assert_allclose(np.linalg.norm(normalised), 12.777113541, rtol=1e-4)
    np.testing.assert_allclose(normalised.sum(), -3.629381922, rtol=1e-3)
    snake = cv.load_image(shared_data / "images" / "snake.png", squeezenet)
    heat = np.asarray(cv.explain("saliency", squeezenet, snake, 56).values, np.float64)
    np.testing.assert_allclose(np.linalg.norm(heat * np.asarray(squeezenet.structure.std)), 8.137687561, rtol=1e-4)


def test_grad_cam_finds_the_dog_above_the_cat(squeezenet, cat_and_dog):
    dog, cat = (cv.explain("grad-cam", squeezenet, cat_and_dog, i, layer="features.12").low_res[0] for i in (243, 281))
    np.testing.assert_allclose(dog.max(), 1.142729352, rtol=1e-4)
    np.testing.assert_allclose(dog.sum(), 30.563057818, rtol=1e-4)
    assert np.unravel_index(dog.argmax(), dog.shape) == (2, 6)
    assert centroid_row(dog) == pytest.approx(4.03, abs=0.01)
    np.testing.assert_allclose(cat.max(), 0.466494851, rtol=1e-4)
    assert centroid_row(cat) == pytest.approx(6.48, abs=0.01)


def test_grad_cam_at_its_default_layer_tells_the_dog_from_the_cat(squeezenet, cat_and_dog):
    dog, cat = (cv.explain("grad-cam", squeezenet, cat_and_dog, i) for i in (243, 281))
    assert dog.provenance.layer == cat.provenance.layer == "classifier.2"
    assert centroid_row(dog.low_res[0]) + 1 < centroid_row(cat.low_res[0])


def test_occlusion_of_the_probability(squeezenet, cat_and_dog):
    target = cv.targets.class_score(243, of="probability")
    fill = tuple(squeezenet.structure.mean)  # 0 after normalisation
    result = cv.explain("occlusion", squeezenet, cat_and_dog, target, window=32, stride=16, fill=fill, score="raw")
    grid = result.low_res[0]
    assert grid.shape == (13, 13)
    np.testing.assert_allclose(result.scores[0], 0.587579089, atol=3e-6)
    np.testing.assert_allclose(grid.min(), 0.061508711, atol=3e-6)
    assert np.unravel_index(grid.argmin(), grid.shape) == (2, 6)
    np.testing.assert_allclose(grid.mean(), 0.520796786, atol=3e-6)
