"""Extremal perturbation: smooth masks of a given area, found by gradient ascent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.data.fills import blurred
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.explain.perturbation.extremal_perturbation import SmoothMask, between

SIZE = (7, 8)
SPOT = np.zeros((*SIZE, 1), np.float32)
SPOT[1:4, 4:7] = 1


def spot_model():
    return cv.adapt(
        lambda p, x: (x * p).sum((1, 2, 3))[:, None], jnp.asarray(4 * SPOT), input_shape=(*SIZE, 1), name="spot"
    )


def slow_mask(parameters, size, step, sigma):
    mask = np.zeros(size)
    radius = 1 + int(np.ceil(sigma / step))
    for y in range(size[0]):
        for x in range(size[1]):
            values = []
            for row in range(y // step - radius, y // step + radius + 1):
                for col in range(x // step - radius, x // step + radius + 1):
                    height = parameters[np.clip(row, 0, len(parameters) - 1), np.clip(col, 0, parameters.shape[1] - 1)]
                    centre = (row + 0.5) * step - 0.5, (col + 0.5) * step - 0.5
                    far = np.hypot(y - centre[0], x - centre[1]) / sigma
                    values.append(np.exp(-2 * max(far - 0.5, 0) ** 2) * height)
            values = np.array(values)
            soft = np.exp(20 * values) / np.exp(20 * values).sum()
            mask[y, x] = (soft * values).sum()
    return mask


def test_masks_equal_a_slow_loop():
    mask = SmoothMask(SIZE, 2, 3.0)
    parameters = np.random.default_rng(0).uniform(size=mask.shape).astype(np.float32)
    found = jax.jit(lambda heights: mask(heights, mask.offsets()))(parameters)
    np.testing.assert_allclose(found, slow_mask(parameters, SIZE, 2, 3.0), rtol=1e-4, atol=1e-5)


def test_equal_heights_make_an_even_mask_and_ties_are_spread_over_the_image():
    mask = SmoothMask((12, 12), 2, 4.0)
    even = np.asarray(mask(jnp.ones(mask.shape), mask.offsets()))
    assert even.max() - even.min() < 0.01
    rows = np.repeat(np.arange(12.0), 12)
    order = np.asarray(mask.ranked(jnp.asarray(1e-6 * rows.reshape(12, 12), jnp.float32))) / 1e-6
    assert abs(order[:72].mean() - order[72:].mean()) < 2  # in raster order they would differ by 6


def test_an_image_between_levels_is_read_linearly():
    levels = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 2, 2, 1)).astype(np.float32))
    for kept, expected in ((0.0, levels[0]), (0.5, levels[1]), (1.0, levels[2]), (0.25, (levels[0] + levels[1]) / 2)):
        np.testing.assert_allclose(between(levels, jnp.full((2, 2), kept)), expected, rtol=1e-5)
    slope = jax.grad(lambda kept: between(levels, kept).sum())(jnp.ones((2, 2)))
    np.testing.assert_allclose(slope, 2 * (levels[2] - levels[1])[..., 0], rtol=1e-5)  # also at the untouched image


def test_a_blur_keeps_flat_images_and_spreads_a_point_as_a_gaussian():
    np.testing.assert_allclose(blurred(jnp.full((5, 6, 2), 0.3), 2.0), 0.3, rtol=1e-5)
    point = jnp.zeros((15, 15, 1)).at[7, 7].set(1.0)
    activations = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    expected = np.outer(activations, activations) / activations.sum() ** 2
    np.testing.assert_allclose(blurred(point, 1.0)[3:12, 3:12, 0], expected, atol=1e-6)


def test_three_steps_equal_a_slow_ascent():
    net, image, area = spot_model(), np.random.default_rng(3).uniform(size=(*SIZE, 1)).astype(np.float32), 0.25
    mask = SmoothMask(SIZE, 2, 2.0)
    pixels = SIZE[0] * SIZE[1]
    ideal = (np.arange(pixels) >= np.floor(pixels * (1 - area))).astype(np.float32)

    def energy(parameters, weight, step):
        kept = mask(parameters, mask.offsets())
        seen = jnp.asarray(image) * kept[:, :, None]
        seen = seen[:, ::-1] if step % 2 == 0 else seen
        return (seen * 4 * SPOT).sum() - weight * ((mask.ranked(kept) - ideal) ** 2).mean()

    climb = jax.jit(jax.grad(energy), static_argnums=2)
    parameters, direction, weight = jnp.ones(mask.shape), None, 50.0
    for step in range(3):
        slope = climb(parameters, weight, step % 2)
        direction = slope if direction is None else 0.9 * direction + 0.1 * slope
        parameters, weight = jnp.clip(parameters + 0.01 * direction, 0, 1), weight * 1.1
    options = {"areas": (area,), "steps": 3, "fill": 0.0, "step_px": 2, "sigma_px": 2.0}
    result = cv.explain("extremal-perturbation", net, image, 0, area_weight=50.0, area_growth=1.1, **options)
    np.testing.assert_allclose(result.values[0], mask(parameters, mask.offsets()), rtol=1e-3, atol=1e-4)


def test_the_mask_keeps_the_asked_area_where_the_evidence_is():
    image = np.ones((2, *SIZE, 1), np.float32)
    options = {"areas": (0.15, 0.5), "fill": 0.0, "step_px": 1, "sigma_px": 1.0, "flip": False}
    result = cv.explain(
        "extremal-perturbation", spot_model(), image, 0, steps=300, area_weight=20.0, area_growth=1.01, **options
    )
    masks = result.extras["masks"]
    assert masks.shape == (2, 2, *SIZE)
    np.testing.assert_allclose(result.extras["kept"], [[0.15, 0.5]] * 2, atol=0.15)  # masks have soft edges
    small = masks[0, 0]
    assert small[SPOT[..., 0] > 0].mean() > 3 * small[SPOT[..., 0] == 0].mean()
    assert (result.extras["rewards"][:, 1] > 0.9 * result.scores).all()  # half of the image holds all evidence
    np.testing.assert_allclose(result.values, masks.mean(1), rtol=1e-6)
    np.testing.assert_allclose(masks[0], masks[1], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"areas": (0.5, 1.5)}, "areas are shares between 0 and 1"),
        ({"areas": ()}, "areas are shares between 0 and 1"),
        ({"steps": 0}, "steps is positive, got 0"),
        ({"levels": 1}, "levels is at least 2, got 1"),
        ({"momentum": 1.0}, "momentum is at least 0 and below 1"),
        ({"sigma_px": -2.0}, "sigma_px is positive"),
        ({"game": "hide"}, "game is one of 'preserve', 'delete', 'dual'"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        cv.explain("extremal-perturbation", spot_model(), SPOT, 0, **options)
