"""KernelSHAP: Shapley values, exact where all coalitions are asked."""

import itertools
import math

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import UsageError

from .linear_networks import BLOCKS, contributions, linear, mixed, some_image


def shap(net, images, **options):
    return cv.explain("kernel-shap", net, images, 0, **{"segments": BLOCKS, "fill": 0.0, **options})


def brute_force(image):
    """The mean contribution of each of eight parts over all coalitions of the others, by its definition."""
    subsets = [frozenset(s) for size in range(9) for s in itertools.combinations(range(8), size)]
    occluded = np.stack([image * np.isin(BLOCKS, list(s))[..., None] for s in subsets]).astype(np.float32)
    worth = dict(zip(subsets, np.asarray(mixed()(occluded), np.float64)[:, 0], strict=True))
    values = np.zeros(8)
    for part in range(8):
        for subset in subsets:
            if part not in subset:
                share = math.factorial(len(subset)) * math.factorial(7 - len(subset)) / math.factorial(8)
                values[part] += share * (worth[subset | {part}] - worth[subset])
    return values, worth[frozenset()]


def test_equals_brute_force_shapley_values_on_eight_parts():
    values, base = brute_force(some_image())
    result = shap(mixed(), some_image())
    np.testing.assert_allclose(result.extras["per_segment"][0], values, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(result.extras["base"][0], base, atol=1e-6)


def test_values_sum_to_the_score_less_the_base_also_when_coalitions_are_drawn():
    images = np.stack([some_image(seed) for seed in (1, 2)])
    for samples in (256, 60):
        result = shap(mixed(), images, samples=samples)
        total = result.extras["per_segment"].sum(1) + result.extras["base"]
        np.testing.assert_allclose(total, result.scores, rtol=1e-5, atol=1e-5)


def test_drawn_coalitions_find_a_linear_model_exactly_and_come_close_to_any():
    result = shap(linear(), some_image(), samples=100)
    np.testing.assert_allclose(result.extras["per_segment"][0], contributions(some_image()), rtol=1e-3, atol=1e-4)
    drawn = shap(mixed(), some_image(), samples=250).extras["per_segment"][0]
    exact = brute_force(some_image())[0]
    assert np.abs(drawn - exact).max() < 0.1 * np.abs(exact).max()


def test_xpliques_numbers_by_name():
    """800 coalitions, each drawn by itself: a size by the kernel, then parts at random; a plain regression; grey."""
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 2)
    chance = np.array([1 / (m * (8 - m)) for m in range(1, 8)])
    below = np.cumsum(chance / chance.sum()).astype(np.float32)[:-1]
    rows = np.zeros((800, 8))
    for i in range(800):
        number = np.asarray(jax.random.uniform(jax.random.fold_in(key, i), (9,)))
        rows[i, np.argsort(number[1:], kind="stable")[: 1 + (number[0] > below).sum()]] = 1
    shown = np.where(rows[:, BLOCKS][..., None] > 0, some_image(), np.float32(0.5))
    design = np.column_stack([rows, np.ones(800)])
    solved = np.linalg.lstsq(design, np.asarray(mixed()(shown))[:, 0], rcond=None)[0]
    options = {"segments": BLOCKS, "key": 5, "ids": [2], "convention": "xplique"}
    result = cv.explain("kernel-shap", mixed(), some_image(), 0, **options)
    np.testing.assert_allclose(result.extras["per_segment"][0], solved[:8], rtol=2e-3, atol=1e-4)
    assert dict(result.provenance.notes)["samples"] == 800


def test_a_part_without_pixels_is_worth_nothing():
    gap = np.where(BLOCKS >= 3, BLOCKS + 1, BLOCKS)
    result = shap(linear(), some_image(), segments=gap, samples=512).extras["per_segment"][0]
    np.testing.assert_allclose(result[3], 0, atol=1e-4)
    np.testing.assert_allclose(np.delete(result, 3), contributions(some_image()), rtol=1e-3, atol=1e-4)


def test_one_part_is_worth_everything():
    result = shap(linear(), some_image(), segments="grid(1)")
    np.testing.assert_allclose(result.extras["per_segment"][0, 0], result.scores[0] - 0.5, rtol=1e-5)


def test_neither_chunk_nor_batch_matters_and_nothing_compiles_twice():
    images = np.stack([some_image(seed) for seed in range(3)])
    together = shap(mixed(), images, samples=60, chunk=7).values
    np.testing.assert_allclose(shap(mixed(), images[2:], samples=60, chunk=7).values, together[2:], atol=1e-4)
    np.testing.assert_allclose(shap(mixed(), images, samples=60).values, together, atol=1e-4)
    before = compilations()
    shap(mixed(), some_image(8), samples=60, chunk=7, key=3)
    assert compilations() == before


def test_says_how_many_samples_it_needs():
    with pytest.raises(UsageError, match="samples is at least 4, got 3"):
        shap(linear(), some_image(), samples=3)
