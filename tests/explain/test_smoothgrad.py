"""SmoothGrad: the mean of gradients over noise that depends on the seed and the image alone."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError

from .small_network import model, some_images


def smoothgrad(images, **options):
    return np.asarray(cv.explain("smoothgrad", model(), images, **{"target": 1, "key": 3, **options}).values)


def test_equals_a_plain_loop_over_noisy_copies():
    image = some_images(1)
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 7)
    sigma = 0.15 * (image.max() - image.min())
    slow = np.zeros(image.shape[1:], np.float64)
    for i in range(6):
        noise = np.asarray(jax.random.normal(jax.random.fold_in(key, i), image.shape[1:]))
        slow += np.asarray(cv.explain("saliency", model(), image + sigma * noise, 1).values[0], np.float64)
    np.testing.assert_allclose(smoothgrad(image, samples=6, key=5, ids=[7])[0], slow / 6, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 50, "auto"])
def test_does_not_depend_on_the_chunk(chunk):
    images = some_images(5)
    np.testing.assert_allclose(smoothgrad(images, chunk=chunk), smoothgrad(images, chunk=13), atol=1e-6)


def test_an_image_is_explained_the_same_alone_and_in_any_batch():
    images = some_images(5)
    together = smoothgrad(images)
    for i in (0, 3):
        np.testing.assert_allclose(smoothgrad(images[i : i + 1]), together[i : i + 1], atol=1e-6)
    np.testing.assert_allclose(smoothgrad(images[::-1]), together[::-1], atol=1e-6)


def test_the_seed_decides_the_noise():
    image = some_images(1)
    assert np.abs(smoothgrad(image, key=1) - smoothgrad(image, key=2)).max() > 1e-5
    np.testing.assert_array_equal(smoothgrad(image, key=1), smoothgrad(image, key=jax.random.key(1)))


def test_no_noise_is_the_gradient():
    images = some_images(2)
    plain = cv.explain("saliency", model(), images, 1).values
    np.testing.assert_allclose(smoothgrad(images, noise="absolute(0)", samples=3), plain, atol=1e-6)


def test_smooths_guided_backprop_too():
    images = some_images(1)
    guided = cv.explain("guided-backprop", model(), images, 1).values
    smooth = smoothgrad(images, noise="absolute(0)", samples=2, method="guided-backprop")
    np.testing.assert_allclose(smooth, guided, atol=1e-6)


def test_more_images_do_not_compile_more():
    smoothgrad(some_images(1), samples=20)
    before = compilations()
    smoothgrad(some_images(4, seed=2), samples=20)
    smoothgrad(some_images(1, seed=3), samples=20, target=2, key=9)
    assert compilations() == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 0}, "samples is at least 1, got 0"),
        ({"noise": "0.15"}, r"noise is one of relative\(number\), absolute\(number\); got '0.15'"),
        ({"noise": "relative(-1)"}, "noise is not negative"),
        ({"method": "grad-cam"}, r"method is one of 'saliency', 'guided-backprop', .*'deeplift', got 'grad-cam'"),
        ({"sample": 3}, "smoothgrad has no option 'sample'. Did you mean 'samples'"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        smoothgrad(some_images(1), **options)
