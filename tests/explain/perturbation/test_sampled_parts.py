"""Standard errors of KernelSHAP, LIME and Sobol cover what endless samples give, and a tolerance stops them."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError

from .linear_networks import BLOCKS, linear, mixed, some_image

PLAIN = {"segments": BLOCKS, "fill": 0.0}
SAMPLED = {
    "kernel-shap": {"samples": 202},
    "lime": {"samples": 250, "ridge": 0.0},
    "sobol": {"designs": 256, "sampler": "random"},
}
ENDLESS = {
    "kernel-shap": {"samples": 256},  # all coalitions, exact
    "lime": {"samples": 10_000, "ridge": 0.0},
    "sobol": {"designs": 4096},
}


def explain(technique, images, net=None, **options):
    return cv.explain(technique, net or mixed(), images, 0, **{**PLAIN, **options})


@pytest.mark.parametrize("technique", list(SAMPLED))
def test_intervals_of_95_percent_hold_what_endless_samples_give(technique):
    """One image by 100 keys: 800 intervals, none of whose parts an estimator could favour."""
    image = some_image()
    images = np.repeat(image[None], 100, axis=0)
    truth = explain(technique, image, **ENDLESS[technique]).extras["per_segment"][0]
    found = explain(technique, images, ids=range(100), **SAMPLED[technique])
    values, error = found.extras["per_segment"], found.standard_error[:, ::2, ::2].reshape(100, 8)
    held = np.abs(values - truth) <= 1.96 * error
    assert 0.93 <= held.mean() <= 0.97
    # The errors are those of the estimates over keys, not of how well a model fits.
    np.testing.assert_allclose(np.sqrt((error**2).mean(0)), values.std(0, ddof=1), rtol=0.25)


def test_conventions_have_errors_where_something_is_drawn_and_the_regression_is_linear():
    image = some_image()
    assert explain("kernel-shap", image, samples=256).standard_error is None  # all are asked
    assert explain("lime", image, convention="captum", samples=40).standard_error is None  # a lasso
    for convention in ("captum", "xplique"):
        assert (explain("kernel-shap", image, convention=convention, samples=60).standard_error > 0).all()
    assert (explain("lime", image, convention="xplique", samples=60).standard_error > 0).all()
    exact = explain("kernel-shap", image, net=linear(), samples=60)
    np.testing.assert_allclose(exact.standard_error, 0, atol=1e-5)  # pairs find a linear model without error


@pytest.mark.parametrize(
    ("technique", "most", "tolerance"),
    [
        ("kernel-shap", {"samples": 201}, 0.2),
        ("lime", {"samples": 300}, 0.2),
        ("sobol", {"designs": 128}, 0.5),
    ],
)
def test_a_tolerance_stops_where_the_error_is_small_alone_or_in_a_batch(technique, most, tolerance):
    images = np.stack([some_image(seed) for seed in (1, 2)])
    together = explain(technique, images, tolerance=tolerance, ids=[1, 2], **most)
    taken = together.extras["samples"]
    per = 10 if technique == "sobol" else 1
    assert (taken < per * next(iter(most.values()))).any()
    for i, image in enumerate(images):
        alone = explain(technique, image, tolerance=tolerance, ids=[i + 1], chunk=7, **most)
        assert alone.extras["samples"][0] == taken[i]
        np.testing.assert_allclose(alone.values[0], together.values[i], rtol=1e-3, atol=1e-5)
    few = dict.fromkeys(most, int(taken[0]) // per)
    plain = explain(technique, images[0], ids=[1], **few)
    np.testing.assert_allclose(plain.values[0], together.values[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(plain.standard_error[0], together.standard_error[0], rtol=1e-2, atol=1e-5)


def test_says_what_is_wrong_with_a_tolerance():
    with pytest.raises(UsageError, match="a lasso's weights have no standard errors"):
        explain("lime", some_image(), convention="captum", tolerance=0.1)
    for technique in SAMPLED:
        with pytest.raises(UsageError, match="tolerance is positive"):
            explain(technique, some_image(), tolerance=0.0)
