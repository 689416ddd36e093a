"""Maps against masks: the peers' numbers, plain loops, and what chance scores."""

import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from cnnviz_plugins.measure.localization.grid import cell_mask, cell_shares, mosaic
from tests.measure.linear import SUM, linear

SINE = np.sin(1.3 * np.arange(16)).reshape(1, 4, 4).astype(np.float32)
MIDDLE = np.zeros((1, 4, 4), bool)
MIDDLE[:, 1:3, 1:3] = True
QUADRANTS = np.zeros((1, 4, 4), bool)
QUADRANTS[:, :2, :2] = QUADRANTS[:, 2:, 2:] = True


def measured(metric, heat=SINE, mask=MIDDLE, **options):
    heat = np.asarray(heat, np.float32)
    images = np.ones((*heat.shape, 1), np.float32)
    return cv.measure(metric, linear(np.ones((*heat.shape[1:], 1))), images, heat, SUM, mask=mask, **options)


@pytest.mark.parametrize(
    ("metric", "options", "expected"),
    [
        ("top-k-intersection", {"k": 5}, 0.2),
        ("relevance-rank-accuracy", {}, 0.25),
        ("auc", {}, 0.625),
        ("pointing-game", {}, 1.0),
        ("relevance-mass-accuracy", {"part": "signed"}, 1.9947711),
        ("relevance-mass-accuracy", {"part": "abs"}, 0.2437981),
        ("attribution-localisation", {}, 0.2437981),
        ("relevance-mass-accuracy", {"part": "positive"}, 0.318358),
        ("focus", {}, 0.318358),
        ("complexity", {}, 2.6003912),
        ("effective-complexity", {}, 15.0),
        ("effective-complexity", {"eps": 0.5}, 11.0),
        ("sparseness", {}, 0.2892958),
    ],
)
def test_quantus_numbers_of_one_map(metric, options, expected):
    # Quantus 0.6.0 on sin(1.3 k), the mask its middle 2 x 2.
    np.testing.assert_allclose(measured(metric, **options).values, [expected], rtol=2e-6)


def test_quantus_numbers_of_the_absolute_map_and_of_two_quadrants():
    np.testing.assert_allclose(measured("auc", np.abs(SINE)).values, [0.5], rtol=1e-6)
    np.testing.assert_allclose(measured("focus", mask=QUADRANTS).values, [0.621809], rtol=2e-6)


def test_the_roc_area_is_the_share_of_pairs_in_the_right_order():
    random = np.random.default_rng(0)
    heat = np.round(random.normal(size=(3, 5, 7)), 1)
    mask = random.uniform(size=(3, 5, 7)) < 0.4
    slow = []
    for one, inside in zip(heat, mask, strict=True):
        on, off = one[inside][:, None], one[~inside][None]
        slow.append(((on > off) + 0.5 * (on == off)).mean())
    np.testing.assert_allclose(measured("auc", heat, mask).values, slow, rtol=1e-6)


def test_chance_is_what_the_docs_say():
    heat = np.random.default_rng(1).uniform(size=(40, 12, 12))
    mask = np.broadcast_to(np.arange(144).reshape(12, 12) % 4 == 0, heat.shape)
    for metric, chance in (("relevance-rank-accuracy", 0.25), ("attribution-localisation", 0.25), ("auc", 0.5)):
        result = measured(metric, heat, mask)
        assert abs(result.mean - chance) < 0.03
        np.testing.assert_allclose(result.extras["object_share"], 0.25)
    for metric, options in (
        ("attribution-localisation", {"weighted": True}),
        ("top-k-intersection", {"k": 30, "concept_influence": True}),
    ):
        assert abs(measured(metric, heat, mask, **options).mean - 1) < 0.12


def test_a_map_on_the_object_alone_scores_best_and_one_beside_it_worst():
    mask = np.broadcast_to(MIDDLE, (2, 4, 4))
    heat = np.where(mask, [[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]])
    for metric in ("relevance-rank-accuracy", "relevance-mass-accuracy", "attribution-localisation", "auc", "focus"):
        np.testing.assert_array_equal(measured(metric, heat, mask).values, [1, 0])
    np.testing.assert_array_equal(measured("top-k-intersection", heat, mask, k=4).values, [1, 0])


def test_an_empty_mask_is_undefined_and_said_so():
    heat, mask = np.concatenate([SINE, SINE]), np.concatenate([MIDDLE, np.zeros_like(MIDDLE)])
    for metric in ("pointing-game", "auc", "focus", "attribution-localisation", "relevance-rank-accuracy"):
        result = measured(metric, heat, mask)
        assert np.isnan(result.values).tolist() == [False, True]
        assert result.mean == pytest.approx(result.values[0])
        assert f"{metric} is undefined for image 1: its mask is empty" in result.warnings[-1]
    assert np.isnan(measured("auc", mask=np.ones_like(MIDDLE)).values).all()


def test_maps_without_anything_and_tiny_maps():
    nothing = np.zeros((1, 4, 4))
    for metric in ("focus", "attribution-localisation", "relevance-mass-accuracy", "effective-complexity"):
        assert measured(metric, nothing).values[0] == 0
    np.testing.assert_allclose(measured("complexity", nothing).values, [np.log(16)], rtol=1e-6)
    for metric in ("focus", "attribution-localisation", "complexity", "effective-complexity"):
        np.testing.assert_allclose(measured(metric, SINE * 1e-30).values, measured(metric).values, rtol=1e-5)


def test_the_mosaic_score_of_four_cells():
    # sin(.7 i + 1.3 j + .19 i j), in cells of 4 x 4.
    i, j = np.mgrid[:8, :8]
    heat = np.sin(0.7 * i + 1.3 * j + 0.19 * i * j)
    expected = [[0.28697359, 0.26624995], [0.20139413, 0.24538233]]
    np.testing.assert_allclose(cell_shares(jnp.asarray(heat, jnp.float32), 2), expected, rtol=2e-6)
    np.testing.assert_array_equal(cell_shares(jnp.zeros((8, 8)), 2), np.zeros((2, 2)))
    result = measured("grid-pointing-game", heat[None], cell_mask(8, 8, 2, 1)[None])
    np.testing.assert_allclose(result.values, [expected[0][1]], rtol=2e-6)
    np.testing.assert_allclose(result.extras["cells"][0], expected, rtol=2e-6)


def test_cells_of_an_odd_side_end_at_the_floor():
    assert cell_mask(5, 7, 2, 3).sum() == 3 * 4
    assert sum(cell_mask(5, 7, 2, cell) for cell in range(4)).tolist() == np.ones((5, 7)).tolist()
    images = np.arange(4).repeat(6).reshape(4, 2, 3, 1).astype(np.float32)
    whole = mosaic(images)
    assert whole.shape == (4, 6, 1)
    for cell in range(4):
        assert np.unique(whole[cell_mask(4, 6, 2, cell)]).tolist() == [cell]


@pytest.mark.parametrize(
    ("metric", "options", "text"),
    [
        ("top-k-intersection", {"k": 16}, "k is less than the number of pixels, got 16 for images of 4 x 4"),
        ("top-k-intersection", {"k": 0}, "k is at least 1, got 0"),
        ("relevance-mass-accuracy", {}, "negative values take out of 0 to 1; say part='positive'"),
        ("auc", {"mask": None}, "auc compares with the object's mask; pass mask="),
        ("effective-complexity", {"eps": 0.0}, "eps is positive, got 0"),
        ("grid-pointing-game", {"cells": 1}, "cells is at least 2, got 1"),
    ],
)
def test_says_what_is_wrong(metric, options, text):
    with pytest.raises(UsageError, match=text):
        measured(metric, **options)
    with pytest.raises(UsageError, match="takes 4 images, got 3"):
        mosaic(np.zeros((3, 2, 2, 1), np.float32))
    with pytest.raises(UsageError, match="has cells 0 to 3, got 4"):
        cell_mask(4, 4, 2, 4)
