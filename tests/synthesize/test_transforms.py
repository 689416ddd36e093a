"""Views of an image: exact small cases, and agreement with SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from cnnviz_plugins.synthesize.transforms import (
    TRANSFORMS,
    Blur,
    Crop,
    Flip,
    Jitter,
    Noise,
    Octaves,
    Pad,
    Rotate,
    Scale,
    blurred,
    resampled,
    shifted,
    viewed,
)

KEY = jax.random.key(3, impl="threefry2x32")
HALF = jnp.float32(0.5)


def some_image(height=5, width=7, channels=2, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(height, width, channels)), jnp.float32)


def test_no_move_returns_the_image():
    np.testing.assert_allclose(resampled(some_image(), jnp.eye(3), None), some_image(), atol=1e-6)


def test_a_shift_by_one_row_moves_whole_pixels_and_fills():
    image = some_image()
    matrix = jnp.eye(3).at[0, 2].set(1.0)
    moved = resampled(image, matrix, 0.5)
    np.testing.assert_allclose(moved[:-1], image[1:], atol=1e-6)
    np.testing.assert_allclose(moved[-1], 0.5)
    np.testing.assert_allclose(resampled(image, matrix, None)[-1], image[-1], atol=1e-6)


@pytest.mark.parametrize("fill", [None, 0.5])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 3)])
def test_a_shift_by_whole_pixels_is_the_resampled_image_to_the_bit(shift, fill):
    matrix = jnp.eye(3).at[:2, 2].set(jnp.asarray(shift, jnp.float32))
    moved = shifted(some_image(), jnp.asarray(shift), 3, fill)
    np.testing.assert_array_equal(moved, resampled(some_image(), matrix, fill))


@pytest.mark.parametrize("transforms", [(Jitter(3),), (Pad(2, 0.5), Jitter(4), Jitter(5))])
def test_jitters_alone_show_the_image_where_their_matrices_say(transforms):
    jitters = [each for each in transforms if isinstance(each, Jitter)]
    chances = jax.random.uniform(KEY, (len(jitters), 4))
    matrices = [each.matrix(chance, (5, 7), HALF) for each, chance in zip(jitters, chances, strict=True)]
    total = jnp.eye(3).at[:2, 2].set(sum(matrix[:2, 2] for matrix in matrices))
    fill = 0.5 if len(transforms) > len(jitters) else None
    np.testing.assert_array_equal(viewed(some_image(), transforms, KEY, HALF), resampled(some_image(), total, fill))


def test_a_flip_exchanges_left_and_right():
    matrix = Flip().matrix(jnp.zeros(4), (5, 7), HALF)
    np.testing.assert_allclose(resampled(some_image(), matrix, None), some_image()[:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(Flip().matrix(jnp.full(4, 0.9), (5, 7), HALF), np.eye(3))


def test_a_quarter_turn_is_numpys():
    image = some_image(5, 5)
    matrix = Rotate(90, 90).matrix(jnp.zeros(4), (5, 5), HALF)
    turned = np.asarray(resampled(image, matrix, None))
    # A view turned one way shows the image turned the other way.
    np.testing.assert_allclose(turned, np.rot90(image, -1), atol=1e-5)


def test_a_scale_is_scipys_affine_transform():
    image, matrix = some_image(9, 8), Scale(1.25, 1.25).matrix(jnp.zeros(4), (9, 8), HALF)
    offset = np.array([4, 3.5]) - np.diag([0.8, 0.8]) @ np.array([4, 3.5])
    expected = np.stack(
        [scipy.ndimage.affine_transform(np.asarray(image[..., c]), [0.8, 0.8], offset, order=1) for c in range(2)], -1
    )
    np.testing.assert_allclose(resampled(image, matrix, None), expected, atol=1e-5)


def test_jitter_draws_whole_pixels_evenly_around_zero():
    draws = jnp.asarray(np.random.default_rng(0).uniform(size=(2000, 4)), jnp.float32)
    shifts = np.asarray(jax.vmap(lambda u: Jitter(4).matrix(u, (9, 9), HALF)[:2, 2])(draws))
    assert set(np.unique(shifts)) == {-2, -1, 0, 1, 2}
    np.testing.assert_allclose(np.bincount(shifts.astype(int).ravel() + 2) / shifts.size, 0.2, atol=0.03)


def test_a_crop_shrinks_over_the_steps():
    middle = jnp.full(4, 0.5)
    shares = [float(Crop(0.5, 0.05).matrix(middle, (20, 10), jnp.float32(t))[0, 0]) for t in (0, 0.5, 1)]
    np.testing.assert_allclose(shares, [0.5, 0.275, 0.05], atol=1e-5)


def test_octaves_grow_to_the_images_size():
    at = [float(Octaves(3, 2.0).matrix(jnp.zeros(4), (8, 8), jnp.float32(t))[0, 0]) for t in (0, 0.4, 0.7, 1)]
    np.testing.assert_allclose(at, [4, 2, 1, 1])


def test_moves_are_resampled_once_in_order():
    transforms = (Pad(3, 0.25), Jitter(2), Scale(0.7, 0.7), Rotate(20, 20), Jitter(4))
    image = some_image(8, 9)
    chances = jax.random.uniform(KEY, (4, 4))
    total = np.eye(3)
    for each, chance in zip(transforms[1:], chances, strict=True):
        total = total @ np.asarray(each.matrix(chance, (8, 9), HALF), np.float64)
    expected = resampled(image, jnp.asarray(total, jnp.float32), 0.25)
    np.testing.assert_allclose(viewed(image, transforms, KEY, HALF), expected, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_blur_is_scipys(sigma):
    image = some_image(6, 9)
    expected = scipy.ndimage.gaussian_filter(np.asarray(image), (sigma, sigma, 0))
    np.testing.assert_allclose(blurred(image, sigma), expected, atol=1e-5)
    np.testing.assert_allclose(viewed(image, (Blur(sigma),), KEY, HALF), expected, atol=1e-5)


def test_noise_has_the_spread_it_says():
    difference = viewed(jnp.zeros((80, 80, 3)), (Noise(0.08, 2.0),), KEY, HALF)
    np.testing.assert_allclose(float(difference.std()), 0.04 * np.sqrt(1 + 1 / 12), rtol=0.03)


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "pad"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 9, 5)])
def test_every_transform_keeps_shape_and_stays_finite_with_its_gradient(name, shape):
    transforms = (TRANSFORMS[name](),)
    image = jnp.full(shape, 0.5)
    value, gradient = jax.value_and_grad(lambda x: viewed(x, transforms, KEY, HALF).sum())(image)
    assert np.isfinite(value)
    assert gradient.shape == shape
    assert np.isfinite(gradient).all()
