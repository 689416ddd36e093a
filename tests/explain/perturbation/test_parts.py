"""Parts of an image: grids, given masks and superpixels, ablated one by one."""

import sys

import numpy as np
import pytest
from skimage import segmentation

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explain import small_network as small

from .linear_networks import BLOCKS, SIZE, contributions, linear, mixed, some_image


def ablation(net, images, **options):
    return cv.explain("feature-ablation", net, images, 0, **options)


def test_parts_of_a_linear_model_fall_by_what_they_add():
    result = ablation(linear(), some_image(), segments=BLOCKS, fill=0.0)
    np.testing.assert_allclose(result.extras["per_segment"][0], contributions(some_image()), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.values[0], contributions(some_image())[BLOCKS], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(result.extras["segments"][0], BLOCKS)
    assert result.low_res is None


def test_equals_a_slow_loop_over_a_grid():
    image = some_image()
    result = ablation(mixed(), image, segments="grid(3)", fill="segment-mean")
    score = float(mixed()(image)[0, 0])
    expected, pixels = np.zeros((3, 3)), np.zeros(SIZE)
    for row in range(3):
        for col in range(3):
            part = np.zeros(SIZE, bool)
            for y in range(SIZE[0]):
                for x in range(SIZE[1]):
                    part[y, x] = y * 3 // SIZE[0] == row and x * 3 // SIZE[1] == col
            occluded = image.copy()
            occluded[part] = image[part].mean(0)
            expected[row, col] = score - float(mixed()(occluded)[0, 0])
            pixels[part] = expected[row, col]
    np.testing.assert_allclose(result.low_res[0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.values[0], pixels, rtol=1e-4, atol=1e-5)


def test_one_part_is_the_whole_image_and_a_fine_grid_its_pixels():
    whole = ablation(linear(), some_image(), segments="grid(1)", fill=0.0)
    np.testing.assert_allclose(whole.values[0], contributions(some_image()).sum(), rtol=1e-4)
    assert ablation(linear(), some_image(), segments="grid(50)", fill=0.0).low_res.shape == (1, *SIZE)


@pytest.mark.parametrize("segments", ["slic(6)", "felzenszwalb(4)"])
def test_superpixels_are_made_for_each_image(segments):
    images = np.zeros((2, 12, 10, 3), np.float32)
    images[0, :, :5, 0] = 1.0  # left and right
    images[1, 6:, :, 1] = 1.0  # above and below
    result = cv.explain("feature-ablation", small.model(), images, 0, segments=segments)
    found = result.extras["segments"]
    assert found.min() == 0
    assert found.max() < result.extras["per_segment"].shape[1]
    assert not np.array_equal(found[0], found[1])
    assert not set(found[0][:, :5].ravel()) & set(found[0][:, 5:].ravel())
    assert not set(found[1][:6].ravel()) & set(found[1][6:].ravel())
    alone = cv.explain("feature-ablation", small.model(), images[1:], 0, segments=segments)
    np.testing.assert_allclose(alone.values, result.values[1:], atol=1e-6)


def test_quickshift_takes_limes_parameters_and_joins_what_is_too_many():
    image = small.some_images(1)
    direct = segmentation.quickshift(
        image[0].astype(float), kernel_size=4, max_dist=200, ratio=0.2, rng=0, channel_axis=-1
    )
    found = cv.explain("feature-ablation", small.model(), image, 0, segments="quickshift(2)").extras["segments"][0]
    pairs = {*zip(direct.ravel().tolist(), found.ravel().tolist(), strict=True)}
    assert len(pairs) == len(np.unique(direct))  # parts are joined, never cut
    assert set(found.ravel()) <= {0, 1}


def test_superpixels_of_flat_one_channel_images_are_no_error():
    images = np.full((1, 7, 5, 1), 0.5, np.float32)
    for segments in ("slic(4)", "quickshift(4)", "felzenszwalb(4)"):
        assert np.isfinite(
            cv.explain("feature-ablation", small.model(7, 5, 1), images, 0, segments=segments).values
        ).all()


def test_says_in_one_sentence_that_scikit_image_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    told = r"segments='slic\(4\)', unlike segments='grid\(8\)', needs the package 'skimage', .*'cnnviz-jax\[segments\]'"
    with pytest.raises(UsageError, match=told):
        ablation(linear(), some_image(), segments="slic(4)")
    assert ablation(linear(), some_image(), segments="grid(2)").values.shape == (1, *SIZE)


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ("grid", r"segments is one of grid\(number\), slic\(number\)"),
        ("grid(0)", "segments takes a positive whole number"),
        ("grid(2.5)", "segments takes a positive whole number"),
        (np.zeros((3, 3), int), "segments is a mask of 3 x 3, images are 8 x 4 x 2"),
        (-BLOCKS, "part numbers of segments are whole and count from 0"),
        ([[0, 1], [0]], "segments is a word or a mask of height x width part numbers"),
    ],
)
def test_says_what_is_wrong_with_segments(segments, text):
    with pytest.raises(UsageError, match=text):
        ablation(linear(), some_image(), segments=segments)
