"""Penalties and constraints: exact small cases and slow NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from cnnviz_plugins.synthesize.regularizers import (
    L1,
    L2,
    REGULARIZERS,
    BlurEvery,
    BlurPenalty,
    Border,
    Clip,
    ClipContribution,
    ClipNorm,
    Decay,
    Penalty,
    TotalVariation,
)

MEAN = jnp.asarray([0.4, 0.5, 0.6])


def some_image(seed=0, shape=(6, 5, 3)):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)


def test_total_variation_of_the_textbook_case_is_ten():
    # tf.image.total_variation's own example: [[0,0,0],[0,2,0],[0,0,1]].
    image = jnp.asarray([[0, 0, 0], [0, 2, 0], [0, 0, 1]], jnp.float32)[..., None]
    assert float(TotalVariation().penalty(image)) == 10.0
    assert float(TotalVariation(power=2.0).penalty(image)) == 18.0


def test_norms_are_those_of_lucid():
    image = jnp.asarray([[0.5, 1.0], [0.0, 0.5]])[..., None]
    np.testing.assert_allclose(L1().penalty(image), 1.0)
    np.testing.assert_allclose(L2().penalty(image), np.sqrt(0.5 + 1e-6), rtol=1e-6)
    np.testing.assert_allclose(L2(value=(0.25,), squared=True).penalty(image), 2 * 0.0625 + 0.5625 + 0.0625)


def test_the_border_counts_detail_and_colour_near_the_edges_only():
    image = np.full((20, 20, 1), 0.5, np.float32)
    image[8:12, 8:12] = 1.0
    assert float(Border(width=4).penalty(jnp.asarray(image))) == pytest.approx(0, abs=1e-6)
    image[0, 0] = 1.0
    soft = scipy.ndimage.gaussian_filter(image, (1, 1, 0))
    squares = (soft - image) ** 2 + 0.8 * (image - 0.5) ** 2
    squares[4:-4, 4:-4] = 0
    np.testing.assert_allclose(Border(width=4).penalty(jnp.asarray(image)), squares.sum(), rtol=1e-4)


def test_the_blur_penalty_of_a_flat_image_is_zero():
    np.testing.assert_allclose(BlurPenalty().penalty(jnp.full((6, 6, 3), 0.3)), 0, atol=1e-10)
    assert float(BlurPenalty().penalty(some_image())) > 0.1


def constrained(each, image, gradient=None, index=0):
    gradient = jnp.zeros_like(image) if gradient is None else gradient
    return np.asarray(each.constrained(image, gradient, jnp.int32(index), MEAN))


def test_decay_goes_towards_the_mean():
    image = some_image()
    np.testing.assert_allclose(constrained(Decay(0.3), image), MEAN + 0.7 * (image - MEAN), rtol=1e-5)


def test_blur_comes_at_its_turn():
    image = some_image()
    np.testing.assert_array_equal(constrained(BlurEvery(1.0, 4), image, index=3), image)
    expected = scipy.ndimage.gaussian_filter(np.asarray(image), (1, 1, 0))
    np.testing.assert_allclose(constrained(BlurEvery(1.0, 4), image, index=8), expected, atol=1e-5)


def test_small_norms_become_the_mean_as_in_the_toolbox():
    # yosinski/deep-visualization-toolbox, optimize/gradient_optimizer.py: smallpx = pxnorms < percentile(...).
    image = some_image()
    centred = np.asarray(image) - np.asarray(MEAN)
    norms = np.linalg.norm(centred, axis=-1)
    expected = centred - centred * (norms < np.percentile(norms, 50))[..., None] + np.asarray(MEAN)
    np.testing.assert_allclose(constrained(ClipNorm(50), image), expected, atol=1e-6)


def test_small_contributions_become_the_mean_as_in_the_toolbox():
    # the same file: smallaben = abs(px_benefit) < percentile(abs(px_benefit), ...), px_benefit = (grad * -xx).sum(1).
    image, gradient = some_image(), some_image(1) - 0.5
    centred = np.asarray(image) - np.asarray(MEAN)
    benefit = np.abs((np.asarray(gradient) * -centred).sum(-1))
    expected = centred - centred * (benefit < np.percentile(benefit, 90))[..., None] + np.asarray(MEAN)
    np.testing.assert_allclose(constrained(ClipContribution(90), image, gradient), expected, atol=1e-6)


def test_clip_keeps_values_in_range():
    np.testing.assert_array_equal(constrained(Clip(), 3 * some_image() - 1), np.clip(3 * some_image() - 1, 0, 1))


@pytest.mark.parametrize("shape", [(1, 1, 3), (4, 9, 3)])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_every_one_is_finite_on_a_flat_image(name, shape):
    each, flat = REGULARIZERS[name](), jnp.full(shape, 0.5)
    if isinstance(each, Penalty):
        value, gradient = jax.value_and_grad(each.penalty)(flat)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
    else:
        assert np.isfinite(each.constrained(flat, flat, jnp.int32(0), MEAN)).all()
