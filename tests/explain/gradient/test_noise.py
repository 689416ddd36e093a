"""SmoothGrad's relatives: squares and variances of gradients over the same noisy copies."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.explain.gradient.plugin import VargradConfig
from cnnviz_plugins.explain.gradient.smoothgrad import Vargrad
from tests.explain.small_network import model, some_images


@pytest.fixture(scope="module")
def copies():
    """Six gradients at noisy copies of one image, by a plain loop."""
    image = some_images(1)
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    sigma = 0.15 * (image.max() - image.min())
    noise = [np.asarray(jax.random.normal(jax.random.fold_in(key, i), image.shape[1:])) for i in range(6)]
    noisy = np.stack([image[0] + sigma * each for each in noise]).astype(np.float32)
    return image, np.asarray(cv.explain("saliency", model(), noisy, 1).values, np.float64)


def smoothed(technique, image, **options):
    return np.asarray(cv.explain(technique, model(), image, 1, samples=6, key=5, ids=[7], **options).values)[0]


def test_squared_is_the_mean_of_squares(copies):
    image, gradients = copies
    np.testing.assert_allclose(smoothed("smoothgrad-squared", image), (gradients**2).mean(0), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(("options", "ddof"), [({}, 0), ({"ddof": 1}, 1), ({"ddof": 3}, 3)])
def test_vargrad_is_the_variance(copies, options, ddof):
    image, gradients = copies
    np.testing.assert_allclose(smoothed("vargrad", image, **options), gradients.var(0, ddof=ddof), rtol=2e-3, atol=1e-9)


def test_without_noise_the_variance_is_zero_and_the_square_that_of_the_gradient():
    images = some_images(2)
    plain = cv.explain("saliency", model(), images, 1).values
    options = {"noise": "absolute(0)", "samples": 3}
    assert not np.asarray(cv.explain("vargrad", model(), images, 1, **options).values).any()
    squared = cv.explain("smoothgrad-squared", model(), images, 1, **options).values
    np.testing.assert_allclose(squared, np.asarray(plain) ** 2, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("method", ["input-x-gradient", "deeplift", "integrated-gradients"])
def test_any_method_of_the_family_is_smoothed(method):
    images = some_images(1)
    plain = cv.explain(method, model(), images, 1).values
    smooth = cv.explain("smoothgrad", model(), images, 1, noise="absolute(0)", samples=2, method=method).values
    np.testing.assert_allclose(smooth, plain, atol=1e-6)


@pytest.mark.parametrize(
    ("convention", "samples", "noise", "ddof"),
    [
        ("paper", 50, "relative(0.15)", 0),
        ("captum", 5, "absolute(1)", 0),
        ("pair", 25, "relative(0.15)", 0),
        ("xplique", 50, "absolute(0.2)", 1),
        ("innvestigate", 64, "absolute(1)", 0),
        ("tf-explain", 5, "absolute(1)", 0),
    ],
)
def test_conventions_are_written_in_the_result(convention, samples, noise, ddof):
    notes = dict(Vargrad.build(VargradConfig(convention=convention), model()).notes)
    assert (notes["samples"], notes["noise"], notes["ddof"]) == (samples, noise, ddof)


def test_input_x_gradient_of_a_linear_model_is_its_terms():
    weights = np.random.default_rng(4).normal(size=(4, 3, 2)).astype(np.float32)
    net = cv.adapt(lambda p, x: (x * p).sum((1, 2, 3))[:, None], jax.numpy.asarray(weights), input_shape=(4, 3, 2))
    image = some_images(1, 4, 3, 2)
    result = cv.explain("input-x-gradient", net, image, 0)
    np.testing.assert_allclose(result.values, weights * image, rtol=1e-6)
    np.testing.assert_allclose(result.values.sum(), result.scores[0], rtol=1e-5)


def test_captums_saliency_is_the_gradients_size():
    plain = cv.explain("saliency", model(), some_images(1), 1).values
    np.testing.assert_array_equal(
        cv.explain("saliency", model(), some_images(1), 1, convention="captum").values, np.abs(plain)
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 2, "ddof": 2}, "ddof is from 0 to samples - 1 = 1, got 2"),
        ({"samples": 0}, "samples is at least 1"),
        ({"noise": "0.15"}, "noise is one of relative"),
        ({"method": "smoothgrad"}, "method is one of 'saliency'"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain("vargrad", model(), some_images(1), 1, **options)
