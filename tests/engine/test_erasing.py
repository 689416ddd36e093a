"""Objects painted out, and the places of a layer that lie beside them."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnviz_jax as cv
from cnnviz_jax.engine.erasing import painted_out
from cnnviz_jax.engine.object_places import places_outside, quarter_field, seen_at


def test_a_hole_takes_the_colour_around_it_and_all_else_stays():
    images = np.random.default_rng(0).random((2, 13, 10, 3), np.float32)
    images[1] = 0.25
    mask = np.zeros((2, 13, 10), bool)
    mask[:, 4:9, 3:8] = True
    images[mask] = 1
    filled = painted_out(images, mask)
    np.testing.assert_array_equal(filled[~mask], images[~mask])
    np.testing.assert_allclose(filled[1], 0.25, atol=1e-6)
    assert filled[0][mask[0]].max() < 0.9  # nothing of the object's white is left


def test_a_large_hole_between_dark_and_bright_is_filled_without_an_edge():
    images = np.zeros((1, 32, 32, 1), np.float32)
    images[:, :, 16:] = 1
    mask = np.zeros((1, 32, 32), bool)
    mask[:, 8:24, 6:26] = True
    steps = np.abs(np.diff(painted_out(images, mask)[0, 16, 5:27, 0]))
    assert steps.max() < 0.3


def test_what_is_not_masked_is_not_touched_and_what_is_masked_whole_is_grey():
    images = np.random.default_rng(1).random((1, 5, 7, 2), np.float32)
    np.testing.assert_array_equal(painted_out(images, np.zeros((1, 5, 7), bool)), images)
    np.testing.assert_array_equal(painted_out(images, np.ones((1, 5, 7), bool)), np.full((1, 5, 7, 2), 0.5))


def forward(params, x):
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(
            x, params["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    return x.mean((1, 2))


def test_places_are_outside_whose_middle_has_no_pixel_of_the_object_within_the_margin():
    model = cv.adapt(forward, {"kernel": jnp.ones((4, 4, 1, 2))}, input_shape=(12, 12, 1), name="strided")
    layer = next(row for row in model.layers.values() if row.kind == "conv")
    assert quarter_field(layer) == 1
    mask = np.zeros((1, 12, 12), bool)
    mask[0, 6, 6] = True
    for margin in (0, 1, 2.5):
        outside = places_outside(mask, layer, (1, 12, 12), margin)
        for row, column in np.ndindex(6, 6):
            middle = [float(each) for each in layer.receptive_field.centre(row, column)]
            near = all(np.floor(each - margin) <= 6 <= np.ceil(each + margin) for each in middle)
            assert outside[0, row, column] == (not near)
    boxes = seen_at(layer, np.array([[0, 0], [2, 3]]), (12, 12))
    assert boxes.tolist() == [[0, 0, 2, 2], [3, 5, 6, 8]]
