"""Arrays to PNG: lossless, small, and of any channel count."""

import io

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.errors import UsageError
from cnnviz_plugins.renderers.colormaps import ZEILER_FERGUS, colormap, fitting, palette
from cnnviz_plugins.renderers.images import atlas, channel_note, grey, heat_png, painted, png, rgb


def read(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("colours", [2, 200, 256, 1000])
def test_a_png_holds_exactly_the_pixels_with_a_palette_where_that_fits(colours):
    rng = np.random.default_rng(0)
    table = rng.permutation(2**24)[:colours]
    codes = np.concatenate([table, rng.choice(table, 1600 - colours)]).reshape(40, 40)
    pixels = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)
    mode, back = read(png(pixels))
    np.testing.assert_array_equal(back, pixels)
    assert mode == ("P" if colours <= 256 else "RGB")


def test_a_heat_png_has_the_colours_of_its_map():
    levels = np.linspace(0, 1, 12).reshape(3, 4)
    np.testing.assert_array_equal(read(heat_png(levels, "inferno"))[1], painted(levels, "inferno"))
    np.testing.assert_array_equal(painted(np.array([[0.0, 1.0]]), "gray"), [[[0, 0, 0], [255, 255, 255]]])


def test_colour_is_kept_and_other_channel_counts_become_grey_and_say_so():
    np.testing.assert_array_equal(rgb(np.array([[[0.0, 0.5, 1.0]]])), [[[0, 128, 255]]])
    np.testing.assert_array_equal(rgb(np.full((1, 1, 1), 0.2)), [[[51, 51, 51]]])
    np.testing.assert_array_equal(rgb(np.array([[[0.0, 0.2, 0.4, 0.6, 0.8]]])), [[[102, 102, 102]]])
    assert (channel_note(1), channel_note(3)) == ("", "")
    assert channel_note(5) == "mean of 5 channels shown"
    np.testing.assert_allclose(grey(np.array([[[0.0, 1.0, 0.0]]])), [[0.587]])


def test_an_atlas_has_margins_between_and_around_its_tiles():
    tiles = [np.full((2, 3, 3), k, np.uint8) for k in (1, 2, 3)]
    sheet = atlas(tiles, 2, margin=1)[..., 0]
    np.testing.assert_array_equal(
        sheet,
        [
            [255] * 9,
            [255, 1, 1, 1, 255, 2, 2, 2, 255],
            [255, 1, 1, 1, 255, 2, 2, 2, 255],
            [255] * 9,
            [255, 3, 3, 3, 255, 255, 255, 255, 255],
            [255, 3, 3, 3, 255, 255, 255, 255, 255],
            [255] * 9,
        ],
    )


def test_the_lectures_convention_is_there_by_name_large_drops_blue_small_ones_dark_red():
    small, large = palette(ZEILER_FERGUS)[[0, 255]].astype(int)
    assert small[0] > 100
    assert small[2] == 0
    assert large[2] > 100
    assert large[0] == 0


def test_automatic_colours_follow_the_policy_and_unknown_ones_are_refused():
    assert fitting("auto", "symmetric") == "RdBu_r"
    assert fitting("auto", "positive") == "inferno"
    assert fitting("magma", "symmetric") == "magma"
    with pytest.raises(UsageError, match=r"no colour map 'virids'. Did you mean 'viridis'"):
        colormap("virids")
