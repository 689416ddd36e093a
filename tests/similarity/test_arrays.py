"""What must hold of comparisons whatever the numbers, slow loops that say the same, and what is refused."""

import itertools

import numpy as np
import pytest

from cnnviz_jax import similarity
from cnnviz_jax.errors import CnnvizWarning, UsageError
from cnnviz_jax.similarity.prediction import lasso
from tests.similarity.formulas import X, Y

RNG = np.random.default_rng(0)
ROTATION = np.linalg.qr(RNG.normal(size=(4, 4)))[0]


def slow_hsic1(x, y):
    """Song et al.'s sum over pairs of different rows, by loops over the kernels without their diagonals."""
    n = len(x)
    k, kernel = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(kernel, 0)
    trace = sum(k[i, j] * kernel[j, i] for i, j in itertools.product(range(n), repeat=2))
    ends = sum(k[i, j] * kernel[j, m] for i, j, m in itertools.product(range(n), repeat=3))
    return (trace + k.sum() * kernel.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * ends) / (n * (n - 3))


def test_hsic_is_the_sum_over_pairs_of_rows_whichever_way_it_is_computed():
    np.testing.assert_allclose(similarity.hsic1(X, Y), slow_hsic1(X, Y), rtol=1e-12)
    wide_x, wide_y = RNG.normal(size=(7, 30)) + 2, RNG.normal(size=(7, 40))  # through kernels, not products
    np.testing.assert_allclose(similarity.hsic1(wide_x, wide_y), slow_hsic1(wide_x, wide_y), rtol=1e-10)


@pytest.mark.parametrize("form", ["biased", "debiased"])
def test_cka_does_not_change_by_rotation_scale_shift_or_order(form):
    order = RNG.permutation(12)
    np.testing.assert_allclose(similarity.cka(X, 3 * X @ ROTATION + 5, form), 1, rtol=1e-12)
    moved = similarity.cka(X[order] @ ROTATION, 0.1 * Y[order] + 2, form)
    np.testing.assert_allclose(moved, similarity.cka(X, Y, form), rtol=1e-10)


def test_procrustes_and_rsa_do_not_change_by_what_they_should_not():
    order = RNG.permutation(12)
    moved = similarity.procrustes(X[order] @ ROTATION, 4 * Y[order] - 1)
    np.testing.assert_allclose(moved, similarity.procrustes(X, Y), rtol=1e-10)
    np.testing.assert_allclose(similarity.procrustes(X, X @ ROTATION), 0, atol=1e-12)
    np.testing.assert_allclose(similarity.rsa(X[order] * 2, Y[order]), similarity.rsa(X, Y), rtol=1e-10)


def test_debiased_cka_of_unrelated_layers_is_0_on_average_and_biased_is_not():
    found = [
        [similarity.cka(x, y, form) for form in ("debiased", "biased")]
        for x, y in ((RNG.normal(size=(50, 40)), RNG.normal(size=(50, 30))) for _ in range(200))
    ]
    debiased, biased = np.array(found).T
    assert abs(debiased.mean()) < 3 * debiased.std() / np.sqrt(200)
    assert biased.mean() > 0.35


def test_a_network_with_its_channels_permuted_is_matched_by_that_permutation():
    order = RNG.permutation(6)
    maps = RNG.normal(size=(5, 4, 3, 6))
    found = similarity.match_units(maps, maps[..., order])
    assert found.pairs[:, 1].tolist() == np.argsort(order).tolist()
    np.testing.assert_allclose(found.matched, 1, rtol=1e-12)
    assert found.unmatched() == ((), ())


def test_maps_of_one_grid_are_matched_by_places_and_others_by_images():
    maps, other = RNG.normal(size=(9, 4, 4, 2)), RNG.normal(size=(9, 2, 2, 3))
    by_place = similarity.match_units(maps, maps)
    np.testing.assert_allclose(by_place.correlation, np.corrcoef(maps.reshape(-1, 2).T), rtol=1e-10)
    by_image = similarity.match_units(maps, other)
    joined = np.concatenate([maps.mean((1, 2)), other.mean((1, 2))], 1)
    np.testing.assert_allclose(by_image.correlation, np.corrcoef(joined.T)[:2, 2:], rtol=1e-10)


def test_a_unit_that_never_changes_correlates_0_and_is_dead():
    still = X.copy()
    still[:, 2] = 0.1
    found = similarity.match_units(still, X)
    assert found.dead_x == (2,)
    assert found.dead_y == ()
    assert (found.correlation[2] == 0).all()


def test_what_matched_units_correlate_by_chance_is_far_below_what_they_do():
    x = RNG.normal(size=(200, 5))
    y = x + 0.1 * RNG.normal(size=(200, 5))
    assert similarity.chance_correlation(x, y) < 0.25 < 0.9 < similarity.match_units(x, y).mean
    assert similarity.chance_correlation(x, y, seed=1) == similarity.chance_correlation(x, y, seed=1)


def test_two_outliers_can_carry_all_of_cka():
    x, y = RNG.normal(size=(100, 8)), RNG.normal(size=(100, 8))
    x[:2] = y[:2] = 200
    assert similarity.cka(x, y) > 0.9
    assert similarity.without_outliers(x, y, 0.02) < 0.2


def test_participation_counts_directions():
    assert similarity.participation_ratio(np.outer(RNG.normal(size=30), np.ones(5))) == pytest.approx(1)
    assert similarity.participation_ratio(np.kron(np.eye(4), [[1], [-1]])) == pytest.approx(4)
    assert similarity.participation_ratio(np.ones((5, 3))) == 0


def test_the_interval_of_rsa_holds_it_and_leaves_out_an_image_with_itself():
    x = RNG.normal(size=(25, 6))
    y = x + RNG.normal(size=(25, 6))
    low, high = similarity.rsa_interval(x, y, draws=60)
    assert low < similarity.rsa(x, y) < high
    assert (low, high) == similarity.rsa_interval(x, y, draws=60)


def test_an_image_whose_row_is_constant_is_left_out_of_rsa_and_told():
    x = X.copy()
    x[3] = 0.7
    with pytest.warns(CnnvizWarning, match="1 images are left out: all channels have one value"):
        found = similarity.rsa(x, Y)
    kept = np.arange(12) != 3
    np.testing.assert_allclose(found, similarity.rsa(X[kept], Y[kept]), rtol=1e-12)


def test_rsa_of_more_images_than_pairs_can_be_held_draws_some_by_the_seed():
    assert similarity.rsa(X, Y, most=8, seed=3) == similarity.rsa(X, Y, most=8, seed=3)
    assert similarity.rsa(X, Y, most=8, seed=3) != similarity.rsa(X, Y, most=8, seed=4)


def test_the_lasso_meets_its_conditions_of_optimality():
    x, y = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 2))
    x, y = x - x.mean(0), y - y.mean(0)
    weights = lasso(x, y, 0.1)
    pull = x.T @ (y - x @ weights) / 40
    np.testing.assert_allclose(pull[weights != 0], 0.1 * np.sign(weights[weights != 0]), atol=1e-8)
    assert (np.abs(pull[weights == 0]) <= 0.1 + 1e-8).all()
    assert (weights == 0).any()


def test_divergences_are_0_for_equal_networks_and_bounded():
    logits = 30 * RNG.normal(size=(20, 4))
    other = 30 * RNG.normal(size=(20, 4))
    for kind in ("js", "total_variation", "kl"):
        assert similarity.divergence(logits, logits, kind).max() == 0
    assert similarity.divergence(logits, other).max() <= np.log(2) + 1e-12
    assert similarity.divergence(logits, other, "total_variation").max() <= 1


def test_maps_are_compared_by_ranks_or_as_shares_on_the_coarser_grid():
    maps = RNG.random((3, 4, 6))
    assert similarity.map_distance(maps, maps**3).tolist() == [0, 0, 0]
    np.testing.assert_allclose(similarity.map_distance(maps, -maps), 2)
    np.testing.assert_allclose(similarity.map_distance(maps, 5 * maps, "total_variation"), 0, atol=1e-12)
    apart = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    apart[0][0, 0, 0] = apart[1][0, 1, 1] = 3
    assert similarity.map_distance(*apart, "total_variation").tolist() == [1]
    fine = np.kron(maps, np.ones((1, 2, 3)))
    np.testing.assert_allclose(similarity.map_distance(fine, maps), 0, atol=1e-12)
    assert similarity.map_distance(np.ones((1, 2, 2)), apart[0]).tolist() == [1]  # a flat map has no ranks


def test_calibration_counts_by_hand():
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
    found = similarity.calibration(logits, np.array([0, 1, 1, -1]), bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 2, 0]  # 0.6 and 0.9 belong to the bins they close
    np.testing.assert_allclose(found.confidence[[5, 8]], [0.6, 0.9])
    np.testing.assert_allclose(found.accuracy[[5, 8]], [1.0, 0.5])
    np.testing.assert_allclose(found.ece, (0.4 * 1 + 0.4 * 2) / 3)
    np.testing.assert_allclose(found.mce, 0.4)
    np.testing.assert_allclose(found.brier, (0.02 + 1.62 + 0.32) / 3)
    np.testing.assert_allclose(found.nll, -np.log([0.9, 0.1, 0.6]).mean())


def test_flips_leave_out_images_without_a_label():
    old, new = np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[1, 1, 2, 0]]
    found = similarity.flips(old, new, np.array([0, 0, -1, 0]))
    assert found.accuracy == (2 / 3, 1 / 3)
    assert (found.negative, found.positive) == (1 / 3, 0)


def test_drift_counts_units_that_die_and_revive_and_units_that_keep_their_place():
    rows = RNG.normal(size=(20, 3))
    dead = rows.copy()
    dead[:, 1] = 0
    found = similarity.drift([rows, dead, rows[:, [0, 1, 2]]])
    assert found.died.tolist() == [1, 0]
    assert found.revived.tolist() == [0, 1]
    assert similarity.drift([rows, rows[:, [1, 0, 2]]]).own_best.tolist() == [1 / 3]


def test_what_cannot_be_compared_is_refused_in_a_sentence():
    refusals = [
        (lambda: similarity.cka(X, Y[:5]), "the same images in the same order, got 12 and 5 rows"),
        (lambda: similarity.cka(X[:3], Y[:3]), "at least 4 rows are needed, got 3"),
        (lambda: similarity.cka(X, Y, "exact"), 'form is "debiased", "biased" or "minibatch", got \'exact\''),
        (lambda: similarity.cka(X, Y, "minibatch", minibatch=3), "a minibatch has at least 4 rows, got 3"),
        (lambda: similarity.cka(X * np.inf, Y), "values that are not finite cannot be compared"),
        (lambda: similarity.svcca(X[:4], Y[:4]), r"more rows than the 2 \+ 2 directions kept, got 4"),
        (lambda: similarity.svcca(0 * X, Y), "has no directions to compare"),
        (lambda: similarity.procrustes(0 * X, Y), "has no shape to compare"),
        (lambda: similarity.procrustes(X, Y, "far"), 'distance is "squared", "angular" or "disparity"'),
        (lambda: similarity.rsa(X, Y, "cosine"), 'correlation is "spearman", "pearson" or "kendall_b"'),
        (lambda: similarity.divergence(X, Y), r"the same images and classes, got \(12, 4\) and \(12, 3\)"),
        (lambda: similarity.divergence(X, X, "l2"), 'kind is "js", "total_variation" or "kl"'),
        (lambda: similarity.flips(X, X, np.arange(3)), "one class index for each of 12 images"),
        (lambda: similarity.calibration(X, np.full(12, 4)), "one of 4 classes for each of 12 images"),
        (lambda: similarity.map_distance(X, X), r"maps are \(n, h, w\) of the same images"),
        (
            lambda: similarity.map_distance(np.ones((1, 3, 3)), np.ones((1, 2, 2))),
            r"cannot be averaged down to \(2, 2\)",
        ),
        (lambda: similarity.map_distance(np.ones((1, 3, 3)), np.ones((1, 3, 3)), "l2"), 'kind is "spearman" or'),
        (lambda: similarity.change(X, Y), "between arrays of one shape"),
        (lambda: similarity.drift([X]), "two or more checkpoints of one layer, got 1"),
        (lambda: similarity.predicted_concepts(X[:5], Y[:5]), "at least 10 rows are needed, got 5"),
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        for call, text in refusals:
            with pytest.raises(UsageError, match=text):
                call()


def test_what_is_doubtful_is_told():
    with pytest.warns(CnnvizWarning, match="biased CKA of 12 rows and 4 channels tends to 1"):
        similarity.cka(X, Y, "biased")
    with pytest.warns(CnnvizWarning, match="minibatches of 5 rows is a ratio of noisy means"):
        similarity.cka(X, Y, "minibatch", minibatch=5)
    with pytest.warns(CnnvizWarning, match="not defined where a layer hardly changes from image to image: x 0"):
        assert np.isnan(similarity.cka(0 * X, Y))
    with pytest.warns(CnnvizWarning, match="the last 2 rows fill no minibatch of 4 and are left out"):
        found = similarity.cka(X, Y, "minibatch", minibatch=5)
    np.testing.assert_allclose(found, similarity.cka(X[:10], Y[:10], "minibatch", minibatch=5), rtol=1e-12)
