"""The pieces of dictionaries against numbers computed in float64 by other code, and against slow loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from cnnviz_jax.engine.dictionary.measures import coherence, explained, mean_max, principal, stability
from cnnviz_plugins.dictionary.activations import active, batch_topk_codes, jump_relu, kth_largest, topk_codes
from cnnviz_plugins.dictionary.archetypes import archetypes, mixtures, shortened
from cnnviz_plugins.dictionary.factorising import convex_nmf_step, loss, nmf_step, semi_nmf_step
from cnnviz_plugins.dictionary.losses import auxiliary, squared_error
from cnnviz_plugins.dictionary.pursuit import pursued, refitted
from cnnviz_plugins.factors import presence

from .waves import BIAS, DIRECTIONS, MEAN, PRE, ROWS, sines, unit

PRE_32 = jnp.asarray(PRE, jnp.float32)


def near(found, wanted, rtol=1e-4):
    np.testing.assert_allclose(np.asarray(found, np.float64), wanted, rtol=rtol, atol=1e-6)


def rebuilt(codes):
    return np.asarray(codes, np.float64) @ DIRECTIONS + MEAN


def test_topk_keeps_the_largest_of_each_row():
    codes = topk_codes(PRE_32, 2)
    near(PRE[0], [-0.052248677, 0.52259199, -1.1057618, 0.69650711, 0.9216733, -1.3353325])
    near(codes[0], [0, 0, 0, 0.69650711, 0.9216733, 0])
    assert float((codes != 0).sum(1).mean()) == pytest.approx(1.9)
    assert int((np.asarray(codes) == 0).all(0).sum()) == 1
    near(squared_error(jnp.asarray(ROWS, jnp.float32), jnp.asarray(rebuilt(codes), jnp.float32)) / 4, 0.39980765)
    near(explained(ROWS, rebuilt(codes)), 0.18829172)


def test_the_mean_of_r2_is_each_channels_own():
    """With one mean for all channels the same codes would seem to explain more."""
    left = ((ROWS - rebuilt(topk_codes(PRE_32, 2))) ** 2).sum()
    near(1 - left / ((ROWS - ROWS.mean()) ** 2).sum(), 0.20458834)


def test_topk_of_equal_numbers_keeps_the_first_and_of_all_codes_is_a_relu():
    np.testing.assert_array_equal(topk_codes(jnp.asarray([[1.0, 2, 2, 2, -1]]), 2), [[0, 2, 2, 0, 0]])
    np.testing.assert_array_equal(topk_codes(PRE_32, 6), jax.nn.relu(PRE_32))


def test_dead_codes_learn_from_what_the_others_leave():
    dead = np.isin(np.arange(6), [0, 3, 4])
    codes = topk_codes(jnp.where(dead, -jnp.inf, PRE_32), 2)
    left = jnp.asarray(ROWS - rebuilt(codes), jnp.float32)
    near((left**2).mean(), 0.42330672)
    error, share = auxiliary(left, PRE_32, jnp.asarray(DIRECTIONS, jnp.float32), jnp.asarray(dead), 2)
    near(error / 4, 0.38464242)
    near(share, 1.2679275)


def test_without_dead_codes_nothing_is_learned_for_them():
    left = jnp.asarray(ROWS, jnp.float32)
    none = jnp.zeros(6, bool)
    assert [float(x) for x in auxiliary(left, PRE_32, jnp.asarray(DIRECTIONS, jnp.float32), none, 2)] == [0, 0]


def test_batch_topk_shares_the_codes_among_rows():
    codes, border = batch_topk_codes(PRE_32, 2)
    near(border, 0.3454971)
    np.testing.assert_array_equal((codes != 0).sum(1), [3, 1, 2, 2, 2, 3, 2, 2, 2, 1])
    near(((ROWS - rebuilt(codes)) ** 2).mean(), 0.38394134)


def test_the_kth_largest_is_that_of_a_sort():
    values = jnp.asarray(np.abs(np.random.default_rng(0).normal(size=97)).astype(np.float32)).at[:10].set(0.0)
    in_order = np.sort(values)[::-1]
    for k in (1, 2, 40, 87, 97):
        assert float(kth_largest(values, k)) == in_order[k - 1]


def test_jump_relu_moves_thresholds_by_what_lies_near_them():
    rows, directions, mean = (jnp.asarray(x, jnp.float32) for x in (ROWS, DIRECTIONS, MEAN))

    def total(threshold):
        codes = jump_relu(PRE_32, threshold, 0.5)
        cost = active(PRE_32, threshold, 0.5).sum(-1).mean()
        return squared_error(rows, codes @ directions + mean) + 0.01 * cost, cost

    (value, l0), gradient = jax.value_and_grad(total, has_aux=True)(jnp.full(6, 0.3))
    assert float(l0) == pytest.approx(2)
    near(value, 1.5557654)
    near(gradient, [-0.0657695, 0.041559162, 0, -0.07267839, 0, -0.080392142])


def test_jump_relu_hands_gradients_to_what_passes():
    gradient = jax.grad(lambda pre: jump_relu(pre, jnp.full(6, 0.3), 0.5).sum())(PRE_32)
    np.testing.assert_array_equal(gradient, (PRE > 0.3).astype(np.float32))


def test_matching_pursuit_takes_one_direction_after_the_other():
    codes, left, picks = pursued(jnp.asarray(ROWS - MEAN, jnp.float32), jnp.asarray(DIRECTIONS, jnp.float32), 4)
    np.testing.assert_array_equal(picks[:, :3].T, [[4, 1, 0, 4], [1, 0, 3, 5], [2, 1, 5, 0]])
    near(codes[0], [0.27669626, 0.75064327, 0, 0, 1.1171267, 0])
    near(jnp.linalg.norm(left[:3], axis=1), [0.67235888, 0.84417092, 0.53164973])
    near(explained(ROWS, rebuilt(codes)), 0.71888487)


def test_orthogonal_pursuit_fits_all_it_took_anew_after_each():
    rows = (ROWS - MEAN).astype(np.float32)
    codes, left = refitted(jnp.asarray(rows), jnp.asarray(DIRECTIONS, jnp.float32), 3)
    for row, found, rest in zip(rows.astype(np.float64), np.asarray(codes), np.asarray(left), strict=True):
        taken: list[int] = []
        amounts, residual = np.zeros(0), row
        for _ in range(3):
            products = DIRECTIONS @ residual
            products[taken] = -np.inf
            if products.max() <= 1e-6:
                break
            taken.append(int(products.argmax()))
            amounts, _ = nnls(DIRECTIONS[taken].T, row)
            residual = row - amounts @ DIRECTIONS[taken]
        wanted = np.zeros(len(DIRECTIONS))
        wanted[taken] = amounts
        np.testing.assert_allclose(found, wanted, atol=2e-3)
        np.testing.assert_allclose(rest, residual, atol=2e-3)
    plain = pursued(jnp.asarray(rows), jnp.asarray(DIRECTIONS, jnp.float32), 3)[1]
    assert float(jnp.square(left).sum()) <= float(jnp.square(plain).sum())


def test_matching_pursuit_stops_where_no_direction_helps():
    codes, left, picks = pursued(jnp.asarray([[-1.0, 0], [2, 0]]), jnp.asarray([[1.0, 0]]), 3)
    np.testing.assert_array_equal(codes, [[0], [2]])
    np.testing.assert_array_equal(left, [[-1, 0], [0, 0]])
    np.testing.assert_array_equal(picks, [[-1, 0], [-1, -1], [-1, -1]])


def test_archetypes_are_mixtures_moved_by_a_little():
    weights = mixtures(jnp.asarray(sines(3, 5, 0.7, 1.1, 0.4, 0), jnp.float32))
    near(weights[0], [0, 0.52433099, 0.47566901, 0, 0])
    moves = shortened(jnp.asarray(sines(3, 4, 1.9, 0.5, 0.2, 0), jnp.float32), 0.5)
    found = archetypes(weights, moves, jnp.float32(0.2), jnp.asarray(ROWS[:5], jnp.float32))
    near(found, [[1.6781484, 0.49910851, 0.41885785, 1.8044796],
                 [1.3450815, 1.4525946, -0.085869427, 0.10747112],
                 [0.40784124, 0.42167203, 0.60433504, -0.24653675]])  # fmt: skip


def test_stability_matches_directions_one_to_one():
    other = unit(sines(6, 4, 1.2, 0.9, 0.65, 0))
    mean, match = stability(DIRECTIONS, other)
    near(mean, 0.89052974)
    np.testing.assert_array_equal(match, [0, 1, 5, 4, 3, 2])
    near(mean_max(DIRECTIONS, other), [0.94690326, 0.89721513])
    near(coherence(DIRECTIONS), 0.94458896)


def test_a_permuted_dictionary_is_perfectly_stable():
    order = np.random.default_rng(1).permutation(6)
    mean, match = stability(DIRECTIONS[order] * 3, DIRECTIONS)
    assert mean == pytest.approx(1)
    np.testing.assert_array_equal(match, order)


def test_principal_directions_of_full_rank_explain_everything():
    assert principal(ROWS, ROWS, 4) == pytest.approx(1)
    assert principal(ROWS, ROWS, 0) == pytest.approx(0)


def factors():
    return np.abs(sines(10, 2, 0.5, 1.2, 0.1, 0)) + 0.1, np.abs(sines(2, 4, 0.8, 0.4, 0.3, 0)) + 0.1


def test_nmf_sweeps_codes_first_and_never_raises_the_error():
    rows, (codes, directions) = np.abs(sines(10, 4, 0.9, 1.7, 0.3, 0)), factors()
    near(loss(rows, codes, directions), 15.175517, 1e-6)
    losses = []
    for _ in range(1500):
        codes, directions = nmf_step(rows, codes, directions)
        losses.append(loss(rows, codes, directions))
        if len(losses) == 1:
            near(losses[0], 3.339744, 1e-6)
            near(directions[0], [0.39176852, 0.30569049, 0.73779204, 1.1365206], 1e-6)
    near(losses[-1], 1.6288719, 1e-5)
    assert (np.diff(losses) <= 1e-9).all()
    assert min(codes.min(), directions.min()) >= 0


def test_semi_nmf_takes_any_sign_and_never_raises_the_error():
    rows, (codes, directions) = sines(10, 4, 0.9, 1.7, 0.3, 0), factors()
    near(loss(rows, codes, directions), 64.193053, 1e-6)
    codes, directions = semi_nmf_step(rows, codes, directions)
    losses = [loss(rows, codes, directions)]
    near(losses[0], 16.070985, 5e-5)
    for _ in range(200):
        codes, directions = semi_nmf_step(rows, codes, directions)
        losses.append(loss(rows, codes, directions))
    assert (np.diff(losses) <= 1e-9).all()
    assert codes.min() >= 0
    assert directions.min() < 0


def test_convex_nmf_sees_rows_by_their_products_alone_and_never_raises_the_error():
    rows = sines(10, 4, 0.9, 1.7, 0.3, 0)
    codes, weights = np.abs(sines(10, 2, 0.5, 1.2, 0.1, 0)) + 0.1, np.abs(sines(2, 10, 0.6, 0.9, 0.2, 0)) + 0.1
    losses = [loss(rows, codes, weights @ rows)]
    for _ in range(40):
        codes, weights = convex_nmf_step(rows @ rows.T, codes, weights)
        losses.append(loss(rows, codes, weights @ rows))
    near(losses[:4], [117.20018, 36.816068, 27.764727, 24.162156], rtol=1e-6)
    assert (np.diff(losses) <= 1e-12).all()
    assert min(codes.min(), weights.min()) >= 0


def test_codes_of_a_factorisation_are_the_non_negative_least_squares():
    found = presence(jnp.asarray(ROWS, jnp.float32), jnp.asarray(DIRECTIONS, jnp.float32), rounds=400)
    wanted = np.stack([nnls(DIRECTIONS.T, row)[0] for row in ROWS])
    assert (np.asarray(found) >= 0).all()
    # Six directions of four channels: several codes fit equally well, but what they fit is one.
    np.testing.assert_allclose(found @ DIRECTIONS, wanted @ DIRECTIONS, atol=2e-3)


def test_the_bias_moves_what_codes_are_chosen_from():
    near(PRE - (ROWS - MEAN) @ DIRECTIONS.T, np.broadcast_to(BIAS, PRE.shape))
