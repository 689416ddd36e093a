"""LIME: a ridge regression of the score on which parts are kept."""

import jax
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError

from .linear_networks import BLOCKS, contributions, linear, mixed, some_image


def lime(net, **options):
    return cv.explain(
        "lime", net, some_image(), 0, **{"segments": BLOCKS, "fill": 0.0, "key": 5, "ids": [2], **options}
    )


def test_without_penalty_a_linear_model_is_found_exactly():
    result = lime(linear(), samples=60, ridge=0.0)
    np.testing.assert_allclose(result.extras["per_segment"][0], contributions(some_image()), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.extras["intercept"], 0.5, atol=1e-3)
    np.testing.assert_allclose(result.extras["fit"], 1, atol=1e-4)


def test_equals_a_slow_loop():
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 2)
    rows, scores, weights = [], [], []
    for i in range(40):
        kept = np.asarray(jax.random.bernoulli(jax.random.fold_in(key, i), 0.5, (8,)), float)
        kept = np.ones(8) if i == 0 else kept
        distance = 1 - (kept @ np.ones(8) / (np.linalg.norm(kept) * np.sqrt(8)) if kept.any() else 0)
        rows.append(kept)
        scores.append(float(mixed()(some_image() * kept[BLOCKS][..., None].astype(np.float32))[0, 0]))
        weights.append(np.sqrt(np.exp(-(distance**2) / 0.25**2)))
    design, scores, weights = np.stack([np.append(row, 1) for row in rows]), np.array(scores), np.array(weights)
    penalty = np.diag([1.0] * 8 + [0])
    solved = np.linalg.solve(design.T @ (weights[:, None] * design) + penalty, design.T @ (weights * scores))
    result = lime(mixed(), samples=40)
    np.testing.assert_allclose(result.extras["per_segment"][0], solved[:8], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.extras["intercept"][0], solved[8], rtol=1e-3, atol=1e-4)
    error = (weights * (scores - design @ solved) ** 2).sum()
    spread = (weights * (scores - np.average(scores, weights=weights)) ** 2).sum()
    np.testing.assert_allclose(result.extras["fit"][0], 1 - error / spread, atol=1e-3)


def test_xpliques_numbers_by_name():
    """150 samples, all at random, grey, weighed by exp(-|x - x'|^2 / 45^2) over pixels, a ridge of 2."""
    key = jax.random.fold_in(jax.random.key(5, impl="threefry2x32"), 2)
    rows = np.stack([np.asarray(jax.random.bernoulli(jax.random.fold_in(key, i), 0.5, (8,))) for i in range(150)])
    shown = np.where(rows[:, BLOCKS][..., None], some_image(), np.float32(0.5))
    weights = np.exp(-((shown - some_image()) ** 2).sum((1, 2, 3)) / 45**2)
    design, penalty = np.column_stack([rows, np.ones(150)]), np.diag([2.0] * 8 + [0])
    right = design.T @ (weights * np.asarray(mixed()(shown))[:, 0])
    solved = np.linalg.solve(design.T @ (weights[:, None] * design) + penalty, right)
    result = cv.explain("lime", mixed(), some_image(), 0, segments=BLOCKS, key=5, ids=[2], convention="xplique")
    np.testing.assert_allclose(result.extras["per_segment"][0], solved[:8], rtol=1e-3, atol=1e-4)
    notes = dict(result.provenance.notes)
    assert (notes["samples"], notes["distance"], notes["kernel_width"], notes["ridge"]) == (150, "euclidean", 45.0, 2.0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 0}, "samples is positive, got 0"),
        ({"kernel_width": 0.0}, "kernel_width is positive"),
        ({"ridge": -1.0}, "ridge is not negative"),
        ({"lasso": -1.0}, "lasso is not negative"),
        ({"lasso": 0.1}, "ridge and lasso are two penalties for one regression; set one of them to 0"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        lime(linear(), **options)
