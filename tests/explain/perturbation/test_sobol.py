"""Sobol: total indices of parts that fade."""

import numpy as np
import pytest
from scipy.stats import qmc

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError

from .linear_networks import BLOCKS, contributions, linear, mixed, some_image


def sobol(net, **options):
    return cv.explain("sobol", net, some_image(), 0, **{"segments": BLOCKS, "fill": 0.0, **options})


def test_equals_a_slow_loop():
    design = qmc.Sobol(16, scramble=False).random(8)
    a, b = design[:, :8], design[:, 8:]

    def score(strength):
        return float(mixed()(some_image() * strength[BLOCKS][..., None].astype(np.float32))[0, 0])

    at_a, at_b = np.array([score(row) for row in a]), np.array([score(row) for row in b])
    total, first = np.zeros(8), np.zeros(8)
    for part in range(8):
        for row in range(8):
            changed = a[row].copy()
            changed[part] = b[row, part]
            total[part] += (at_a[row] - score(changed)) ** 2 / (2 * 8 * at_a.var(ddof=1))
            first[part] += (at_b[row] - score(changed)) ** 2 / (2 * 8 * at_a.var(ddof=1))
    result = sobol(mixed(), designs=8)
    np.testing.assert_allclose(result.extras["per_segment"][0], total, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(result.extras["first_order"][0], 1 - first, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("sampler", "designs"), [("sobol", 1024), ("random", 3000)])
def test_parts_of_a_linear_model_have_their_share_of_the_variance(sampler, designs):
    share = contributions(some_image()) ** 2
    result = sobol(linear(), sampler=sampler, designs=designs)
    np.testing.assert_allclose(result.extras["per_segment"][0], share / share.sum(), atol=0.03)
    np.testing.assert_allclose(result.extras["first_order"][0], share / share.sum(), atol=0.08)


def test_a_score_that_does_not_vary_has_no_indices():
    constant = cv.adapt(lambda p, x: 0 * x.sum((1, 2, 3))[:, None] + p, np.float32(1), input_shape=(8, 4, 2))
    result = sobol(constant, designs=2)
    assert not result.values.any()
    assert not result.extras["first_order"].any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"designs": 1}, "designs is at least 2, got 1"),
        ({"designs": 12}, "designs is a power of two for sampler='sobol', got 12"),
        ({"sampler": "halton"}, "sampler is one of 'sobol', 'random'"),
    ],
)
def test_says_what_is_wrong_with_an_option(options, text):
    with pytest.raises(UsageError, match=text):
        sobol(linear(), **options)
