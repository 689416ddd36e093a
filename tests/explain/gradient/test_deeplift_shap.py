"""DeepLIFT over many references: the mean of single ones, complete to the mean score, at the image and at layers."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain.known_networks import M_IMAGE, net_m
from tests.explain.small_network import model, some_images


@pytest.mark.parametrize("at", [None, "conv2", "head"])
def test_is_the_mean_of_deeplift_over_the_references(at):
    net, images, references = model(), some_images(2), some_images(3, seed=8)
    result = cv.explain("deeplift-shap", net, images, [0, 2], at=at, baselines=references)
    slow = sum(cv.explain("deeplift", net, images, [0, 2], at=at, baseline=one).values for one in references) / 3
    np.testing.assert_allclose(result.values, slow, atol=2e-6)
    np.testing.assert_allclose(result.extras["completeness_gap"], 0, atol=3e-6)
    means = np.asarray(net(references)).mean(0)[[0, 2]]
    np.testing.assert_allclose(result.extras["baseline_score"], means, rtol=1e-5)


def test_a_case_by_hand():
    # Net M at its first layer: DeepLIFT gives (0, -8, -1) from black and (0, -7, -5) from white.
    result = cv.explain("deeplift-shap", net_m(), M_IMAGE, 0, at="first", baselines=("zero", "value(1)"))
    np.testing.assert_allclose(result.values, [[0, -7.5, -3]], atol=1e-5)


def test_one_reference_is_deeplift_and_the_chunk_does_not_matter():
    net, images = model(), some_images(2)
    plain = cv.explain("deeplift", net, images, 1, baseline=0.3).values
    grey = np.full((12, 10, 3), 0.3, np.float32)
    np.testing.assert_allclose(cv.explain("deeplift-shap", net, images, 1, baselines=grey).values, plain, atol=1e-6)
    one, whole = (cv.explain("deeplift-shap", net, images, 1, key=2, chunk=chunk).values for chunk in (1, 6))
    np.testing.assert_allclose(one, whole, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"baselines": ()}, "baselines names at least one fill"),
        ({"baselines": "black"}, "baselines is one of zero, value"),
        ({"epsilon": 0.0}, "epsilon is positive"),
        ({"baselines": np.zeros((2, 5, 5, 3))}, r"or several, \(k, 12, 10, 3\); got \(2, 5, 5, 3\)"),
    ],
)
def test_says_what_is_wrong(options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain("deeplift-shap", model(), some_images(1), 1, **options)
