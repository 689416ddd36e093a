"""XRAI: regions taken greedily, each by the mean of the attributions it adds."""

import sys

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model, some_images

pytest.importorskip("skimage", reason="XRAI finds its regions with scikit-image")

from cnnviz_plugins.explain.gradient.plugin import XraiConfig
from cnnviz_plugins.explain.gradient.xrai import segment_masks

OPTIONS = {"nodes": 5, "size": 40, "min_size": 40, "dilation": 1, "scales": (5.0, 20.0)}


def quarters():
    """An image of four flat quarters."""
    image = np.zeros((12, 10, 3), np.float32)
    image[:6, 5:], image[6:, :5], image[6:, 5:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    return image


def test_the_map_is_a_plain_greedy_loop_over_the_segments():
    image = quarters()
    result = cv.explain("xrai", model(), image, 1, **OPTIONS)
    attribution = np.asarray(result.extras["attribution"])[0].max(-1).astype(float)
    masks = [mask for mask in segment_masks(image, XraiConfig(**OPTIONS)) if mask.any()]
    free, slow = np.ones((12, 10), bool), np.zeros((12, 10))
    while masks := [mask for mask in masks if (mask & free).any()]:
        means = [attribution[mask & free].mean() for mask in masks]
        best = masks[int(np.argmax(means))]
        slow[best & free] = max(means)
        free &= ~best
    if free.any():
        slow[free] = attribution[free].mean()
    np.testing.assert_allclose(result.values[0], slow, atol=1e-6)


def test_flat_regions_share_one_number():
    result = cv.explain("xrai", model(), quarters(), 1, **OPTIONS)
    inner = np.asarray(result.values)[0][2:4, 1:3]
    assert inner.min() == inner.max()


def test_the_attribution_is_integrated_from_the_darkest_and_the_brightest_value():
    image = some_images(1)
    shares = [
        cv.explain("integrated-gradients", model(), image, 1, nodes=5, baseline=float(end)).values
        for end in (image.min(), image.max())
    ]
    result = cv.explain("xrai", model(), image, 1, **OPTIONS)
    np.testing.assert_allclose(result.extras["attribution"], (shares[0] + shares[1]) / 2, atol=1e-6)


def test_it_says_what_to_install_where_scikit_image_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UsageError, match=r"xrai needs the package 'skimage', .*pip install 'cnnviz-jax\[segments\]'"):
        cv.explain("xrai", model(), some_images(1), 1)
