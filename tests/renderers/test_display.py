"""Display policies: exact levels, limits that hold 0, and nothing that becomes NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cnnviz_jax.errors import RenderError, UsageError
from cnnviz_plugins.renderers.display import (
    POLICIES,
    REDUCTIONS,
    natural_policy,
    ordinal,
    reduce_channels,
    scale_for,
    scales_for,
)

RAMP = np.array([-2.0, -1.0, 0.0, 1.0, 4.0])


@pytest.mark.parametrize(
    ("policy", "levels"),
    [
        ("symmetric", [0.25, 0.375, 0.5, 0.625, 1.0]),
        ("positive", [0, 0, 0, 0.25, 1]),
        ("full", [0, 1 / 6, 2 / 6, 3 / 6, 1]),
        ("percentile", [0, 1 / 6, 2 / 6, 3 / 6, 1]),
        ("unit", [0, 0, 0, 1, 1]),
    ],
)
def test_each_policy_maps_a_ramp_as_it_says(policy, levels):
    np.testing.assert_allclose(scale_for(RAMP, policy, percentile=100.0).levels(RAMP), levels, atol=1e-15)


def test_the_99th_percentile_is_cut_and_the_caption_says_so():
    values = np.arange(101.0)
    scale = scale_for(values, "positive")
    assert (scale.low, scale.high) == (0, 99)
    np.testing.assert_array_equal(scale.levels(np.array([0.0, 99.0, 100.0])), [0, 1, 1])
    assert scale.caption == "from 0 up, cut at the 99th percentile; own scale for each"


def test_a_caption_does_not_speak_of_a_cut_that_cuts_nothing():
    assert scale_for(np.array([0.0, 1.0]), "positive", percentile=100.0).caption == "from 0 up; own scale for each"


def test_percentile_cuts_both_ends():
    scale = scale_for(np.arange(-100.0, 101.0), "percentile", percentile=99.0)
    assert (scale.low, scale.high) == (-98, 98)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 2, 3)])
def test_an_all_zero_map_stays_at_its_zero(policy, shape):
    zeros = np.zeros(shape)
    scale = scale_for(zeros, policy)
    expected = 0.5 if policy == "symmetric" else 0.0
    np.testing.assert_array_equal(scale.levels(zeros), np.full(shape, expected))
    assert scale.zero == expected


@pytest.mark.parametrize(
    ("policy", "constant", "level"),
    [
        ("symmetric", 3, 1),
        ("symmetric", -3, 0),
        ("positive", 3, 1),
        ("positive", -3, 0),
        ("full", 3, 1),
        ("full", -3, 0),
    ],
)
def test_a_constant_map_lies_at_an_end_because_limits_hold_zero(policy, constant, level):
    values = np.full((2, 2), float(constant))
    np.testing.assert_array_equal(scale_for(values, policy).levels(values), np.full((2, 2), level))


def test_a_sparse_map_is_not_cut_to_nothing():
    values = np.zeros(1000)
    values[7] = 2.0
    for policy in ("positive", "symmetric", "percentile"):
        assert scale_for(values, policy).levels(values)[7] == 1.0


def test_zero_keeps_its_level_on_a_lopsided_scale():
    assert scale_for(RAMP, "full").zero == pytest.approx(1 / 3)


def test_a_shared_scale_is_one_and_the_same_and_says_so():
    gallery = [np.array([1.0]), np.array([4.0])]
    first, second = scales_for(gallery, "positive", percentile=100.0, shared=True)
    assert first == second
    assert [float(first.levels(one)[0]) for one in gallery] == [0.25, 1.0]
    assert first.caption.endswith("one scale for all")
    assert [scale.high for scale in scales_for(gallery, "positive", percentile=100.0)] == [1.0, 4.0]
    assert scales_for([], "positive", shared=True) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(RenderError, match="1 of 3 values are NaN or infinite"):
        scale_for(np.array([0.0, bad, 1.0]), "symmetric")
    with pytest.raises(RenderError, match="1 of 3 values are NaN or infinite"):
        scale_for(np.zeros(3), "symmetric").levels(np.array([0.0, bad, 1.0]))


def test_an_unknown_policy_reduction_or_percentile_lists_what_works():
    with pytest.raises(
        UsageError, match=r"no display policy 'symetric'. Did you mean 'symmetric'\? There are symmetric, "
    ):
        scale_for(RAMP, "symetric")
    with pytest.raises(UsageError, match=r"no channel reduction 'max'. .*There are max_abs, sum_abs"):
        reduce_channels(np.zeros((1, 1, 3)), "max")
    with pytest.raises(UsageError, match="percentile is 40; it must lie above 50"):
        scale_for(RAMP, "positive", percentile=40.0)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-1e308, 1e308)),
    st.sampled_from(POLICIES),
    st.floats(51, 100),
)
@settings(max_examples=150, deadline=None)
def test_levels_are_always_finite_ordered_and_within_0_and_1(values, policy, percentile):
    levels = scale_for(values, policy, percentile=percentile).levels(values)
    assert np.isfinite(levels).all()
    assert (levels >= 0).all()
    assert (levels <= 1).all()
    order = np.argsort(values, axis=None)
    assert (np.diff(levels.ravel()[order]) >= -1e-12).all()


def test_reductions_of_one_pixel():
    pixel = np.array([[[3.0, -4.0, 0.0]]])
    values = {name: float(reduce_channels(pixel, name)[0, 0]) for name in REDUCTIONS}
    assert values == {"max_abs": 4, "sum_abs": 7, "signed_sum": -1, "l2": 5}


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions_take_any_channel_count(channels, reduction):
    assert reduce_channels(np.ones((2, 3, 4, channels)), reduction).shape == (2, 3, 4)


def test_the_natural_policy_is_symmetric_only_where_something_is_negative():
    assert natural_policy(np.array([0.0, 1.0])) == "positive"
    assert natural_policy(np.array([-1e-9, 1.0])) == "symmetric"
    assert natural_policy(np.array([-1.0])) == "symmetric"


def test_ordinals():
    assert [ordinal(p) for p in (99.0, 91.0, 92.0, 93.0, 99.5, 100.0, 61.0)] == [
        "99th",
        "91st",
        "92nd",
        "93rd",
        "99.5th",
        "100th",
        "61st",
    ]
