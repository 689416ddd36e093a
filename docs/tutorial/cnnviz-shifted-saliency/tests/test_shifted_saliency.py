import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv


def one_bright_weight(params, x):
    """Score = 9 times the pixel at row 2, column 3."""
    return (x * params).sum((1, 2, 3))[:, None]


@pytest.fixture
def model():
    return cv.adapt(one_bright_weight, jnp.zeros((1, 6, 6, 1)).at[0, 2, 3, 0].set(9.0), input_shape=(6, 6, 1))


def test_a_weight_on_one_pixel_spreads_over_the_pixels_that_shifts_bring_there(model):
    heat = cv.explain("shifted-saliency", model, np.ones((6, 6, 1), np.float32), target=0, reach_px=1).values[0]
    expected = np.zeros((6, 6))
    expected[1:4, 2:5] = 1.0  # 9 shifts, each a ninth of 9
    np.testing.assert_allclose(heat, expected)


def test_without_shifts_it_is_the_size_of_the_gradient(model):
    image = np.ones((6, 6, 1), np.float32)
    heat = cv.explain("shifted-saliency", model, image, target=0, reach_px=0).values
    gradient = cv.explain("saliency", model, image, target=0).values
    np.testing.assert_allclose(heat, np.abs(gradient).max(-1))


@pytest.mark.parametrize("chunk", [1, 7, 25])
def test_the_chunk_changes_nothing(model, chunk):
    images = np.random.default_rng(0).random((2, 6, 6, 1), np.float32)
    whole = cv.explain("shifted-saliency", model, images, target=0).values
    np.testing.assert_allclose(cv.explain("shifted-saliency", model, images, target=0, chunk=chunk).values, whole)


def test_a_negative_reach_is_refused(model):
    with pytest.raises(cv.errors.UsageError, match="reach_px is 0 or more pixels, got -1"):
        cv.explain("shifted-saliency", model, np.ones((6, 6, 1), np.float32), reach_px=-1)
