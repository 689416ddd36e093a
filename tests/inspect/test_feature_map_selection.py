"""Which feature maps are shown: the first, the strongest or the most variable of each image."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain.small_network import model, some_images


@pytest.fixture(scope="module")
def images():
    return some_images(3)


@pytest.fixture(scope="module")
def maps(images):
    return cv.capture(model(), images, ["conv2"])["conv2"]


def shown(images, **options):
    return cv.explain("feature-maps", model(), images, layer="conv2", **options)


def test_the_first_n_channels(images, maps):
    np.testing.assert_allclose(shown(images, count=3).values, maps[..., :3], rtol=1e-5, atol=1e-6)
    assert dict(shown(images, count=2, channels=(5, 1, 4)).provenance.notes)["channels"] == (5, 1)


@pytest.mark.parametrize(("select", "rank"), [("strongest", np.max), ("most_variable", np.std)])
def test_channels_are_picked_per_image_best_first(select, rank, images, maps):
    result = shown(images, select=select, count=4)
    for one, picked, values in zip(maps, result.extras["channels"], result.values, strict=True):
        expected = np.argsort(-rank(one, axis=(0, 1)), kind="stable")[:4]
        assert picked.tolist() == expected.tolist()
        np.testing.assert_allclose(values, one[..., expected], rtol=1e-5, atol=1e-6)


def test_picking_among_named_channels_keeps_their_numbers(images, maps):
    result = shown(images, select="strongest", channels=(6, 2))
    for one, picked in zip(maps, result.extras["channels"], strict=True):
        assert picked.tolist() == sorted((6, 2), key=lambda c: -one[..., c].max())


def test_a_count_below_one_is_refused(images):
    with pytest.raises(UsageError, match="count is at least 1, got 0"):
        shown(images, count=0)
