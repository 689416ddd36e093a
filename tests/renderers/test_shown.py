"""What is shown of results: reductions, scales, numbers of channels and filters, words."""

import numpy as np
import pytest

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_jax.results.weights import FilterBank
from cnnviz_plugins.renderers.geometry import field_rows, frame_window
from cnnviz_plugins.renderers.heats import channel_maps, heats, raw_heats, signed_colours
from cnnviz_plugins.renderers.kernels import NOT_DIRECT, filter_tiles
from cnnviz_plugins.renderers.options import FilterOptions, HeatOptions, parse
from cnnviz_plugins.renderers.text import number, percent, plain, seconds, target_of, unit_of
from tests.renderers import factories


def test_pixel_maps_are_shown_as_the_largest_absolute_value_over_channels():
    (heat,) = heats(factories.attribution([[[[3, -4, 0]]]], "pixels"), HeatOptions(percentile=100.0))
    np.testing.assert_array_equal(heat.values, [[4]])
    assert heat.scale.policy == "positive"
    assert heat.caption == "largest |value| over channels; from 0 up; own scale for each"


def test_a_raw_map_is_drawn_on_the_scale_of_the_map_it_became():
    low = np.array([[[1.0, 8.0]]], np.float32)
    result = factories.attribution(np.full((1, 2, 2), 4.0), low_res=low)
    shown = heats(result, HeatOptions(percentile=100.0))
    (raw,) = raw_heats(result, shown)
    np.testing.assert_array_equal(raw.levels, [[0.25, 1.0]])
    assert raw_heats(factories.attribution(np.ones((1, 2, 2))), shown) is None


def test_signed_colours_put_zero_at_mid_grey():
    result = factories.attribution([[[[0, 1, -1]]]], "pixels")
    np.testing.assert_array_equal(signed_colours(result, 0), [[[0.5, 1, 0]]])
    assert signed_colours(factories.attribution(np.ones((1, 2, 2, 1)), "pixels"), 0) is None


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("view", ["pixels", "maps"])
def test_any_channel_count_can_be_shown(channels, view):
    result = factories.attribution(factories.signed(2, 4, 6, channels), view, channels=channels)
    if view == "maps":
        assert [len(block.heats) for block in channel_maps(result, HeatOptions())] == [channels] * 2
    else:
        assert heats(result, HeatOptions())[0].levels.shape == (4, 6)


def test_channel_maps_carry_the_numbers_the_technique_was_told():
    values = factories.signed(1, 2, 2, 3)
    (block,) = channel_maps(
        factories.attribution(values, "maps", notes=(("channels", (7, 1, 30)),)), HeatOptions(limit=2)
    )
    assert block.numbers == (7, 1)
    assert block.caption.startswith("2 of 3 channels; symmetric around 0")
    (block,) = channel_maps(factories.attribution(values, "maps"), HeatOptions())
    assert block.numbers == (0, 1, 2)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(RenderError, match="1 of 4 values are NaN or infinite"):
        heats(factories.attribution([[[0, 1], [2, np.nan]]]), HeatOptions())


def test_unit_norm_filters_are_w_over_its_norm_and_a_zero_filter_stays_zero():
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 0] = [3, -4, 0]
    shown = filter_tiles(FilterBank(kernel=kernel, layer="c", provenance=factories.provenance()), FilterOptions())
    # 0.6 and -0.8 on a scale that ends at 0.8
    np.testing.assert_array_equal(shown.tiles[0], [[[round(255 * (0.6 / 0.8 + 1) / 2), 0, 128]]])
    np.testing.assert_array_equal(shown.tiles[1], [[[128, 128, 128]]])
    assert shown.norms == (5, 0)
    assert "w / ‖w‖" in shown.caption
    assert shown.caption.endswith("one scale for all filters")
    assert shown.note == ""


def test_raw_filters_and_own_scales_are_said():
    shown = filter_tiles(factories.filters(), FilterOptions(norm="raw", scale="own"))
    assert "raw weights w" in shown.caption
    assert shown.caption.endswith("own scale for each filter")
    assert len({scale.high for scale in shown.scales}) > 2


def test_deeper_filters_have_one_tile_per_input_channel_and_the_caveat():
    shown = filter_tiles(factories.filters(i=20, o=4), FilterOptions(limit=2, inputs=16))
    assert len(shown.tiles) == 2 * 16
    assert "2 of 4 filters of 3 × 3 × 20" in shown.caption
    assert "one tile per input channel (16 of 20)" in shown.caption
    assert shown.note == NOT_DIRECT
    with pytest.raises(UsageError, match="conv1 has 20 input channels; the colour view needs 3"):
        filter_tiles(factories.filters(i=20), FilterOptions(view="colour"))


def test_receptive_field_rows_have_the_index_map_and_the_central_box():
    rows = {row.layer: row for row in field_rows(factories.receptive_fields())}
    assert (rows["conv1"].size_text, rows["conv1"].stride_text, rows["conv1"].padding_text) == ("3", "2", "0")
    assert rows["conv1"].box == (8, 8, 10, 10)
    assert (rows["conv2"].size_text, rows["conv2"].stride_text, rows["conv2"].padding_text) == ("11", "2", "4")
    assert rows["conv2"].box == (4, 4, 14, 14)
    assert rows["pool"].stride_text == "varies"
    assert rows["dense"].size_text == "whole input"
    assert rows["dense"].box == (0, 0, 19, 19)
    left, top, right, bottom = frame_window(list(rows.values()), (20, 20))
    assert left == top < 0
    assert right == bottom > 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"colourmap": "x"},
            r"no display option 'colourmap' here. Did you mean 'colormap'\? There are title, policy, percentile",
        ),
        ({"policy": "sym"}, "policy is 'sym'; it must be one of symmetric, positive, percentile, full, unit, auto"),
        ({"opacity": 2}, "opacity is 2; it must lie from 0 to 1"),
        ({"opacity": float("nan")}, "opacity is nan; it must lie from 0 to 1"),
        ({"limit": 0}, "limit is 0; it must lie from 1 to 4096"),
        ({"limit": "many"}, "limit is 'many'; it must be a number"),
        ({"colormap": 3}, "colormap is 3; it must be a text"),
        ({"percentile": True}, "percentile is True; it must be a number"),
    ],
)
def test_a_wrong_display_option_gets_one_sentence(options, words):
    with pytest.raises(UsageError, match=words):
        parse(HeatOptions, options)


def test_numbers_and_labels_are_short_and_plain():
    assert [number(x) for x in (0.0, -0.0, -1.23456, 1e-9, 12345.0)] == ["0", "0", "−1.23", "1e−09", "1.23e+04"]
    assert [percent(x) for x in (0.5876, 0.0, 1e-5)] == ["58.8 %", "0.0 %", "< 0.1 %"]
    assert [seconds(x) for x in (0.123, 12.34, 200)] == ["0.12 s", "12.3 s", "3 min 20 s"]
    assert plain("a\n\tb\x00c  d") == "a b c d"
    assert plain("abcdef", 4) == "abc…"


def test_a_stated_unit_wins_over_the_views():
    assert unit_of(factories.attribution(np.ones((1, 2, 2)))) == "score"
    assert unit_of(factories.attribution(np.ones((1, 2, 2)), notes=(("unit", "total variation"),))) == "total variation"
    assert unit_of(factories.attribution(np.ones((1, 2, 2, 3)), "pixels")) == "score per unit of intensity"
    assert target_of(factories.attribution(np.ones((1, 2, 2))), 0) == "3 star"
