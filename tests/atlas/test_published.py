"""Atlases' numbers, computed apart from this code on inputs that anyone can write down."""

import numpy as np
import pytest

from cnnviz_jax import atlas
from cnnviz_jax.errors import UsageError
from tests.similarity.formulas import s

ROWS = s(40, 3, 0.37, 1.9, 0.23, 0) + 0.3


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_whitened_direction_and_what_is_climbed_along_it():
    inverse = atlas.whitening(ROWS, ridge=0)
    close(inverse[0], [1.5729203, -0.040117766, -0.30087778])
    along = ROWS[:10].mean(0) @ inverse
    close(along, [1.2497659, 0.43906842, -0.02597074])
    close(ROWS[5] @ along, 1.243013)
    close(atlas.alignment(ROWS[5], along), 0.069048177)
    close(atlas.alignment(ROWS[5], along, objective="lucid"), 0.00087537377)
    close(atlas.alignment(ROWS, along)[5], 0.069048177)


def test_whitened_rows_have_no_channel_in_common():
    root = np.linalg.cholesky(atlas.whitening(ROWS, ridge=0, centred=True))
    np.testing.assert_allclose(np.cov((ROWS - ROWS.mean(0)) @ root, rowvar=False, bias=True), np.eye(3), atol=1e-9)


def test_channels_that_agree_have_an_inverse_by_the_ridge_alone():
    twice = np.concatenate([ROWS, ROWS], 1)
    assert np.isfinite(atlas.whitening(twice)).all()
    with pytest.raises(UsageError, match="3 channels of 2 rows have no inverse; ridge=1e-6 gives one"):
        atlas.whitening(np.array([[1.0, 0, 0], [0, 1, 0]]), ridge=0)


def test_the_layout_of_rows_and_the_two_margins():
    close(atlas.normalised(atlas.principal_axes(ROWS))[0], [0.8064336, 0.63274315])
    line = np.array([*range(200), 1000.0])[:, None]
    close(atlas.normalised(line)[100], [0.45955882])
    close(atlas.normalised(line, "lucid")[100], [0.45545637])
    assert atlas.normalised(np.ones((5, 2))).tolist() == [[0.5, 0.5]] * 5


def test_rows_fall_into_cells_and_are_assigned_to_them():
    places = atlas.normalised(atlas.principal_axes(ROWS))
    cells = atlas.cells_of(places, 4)
    assert cells.counts.tolist() == [[0, 1, 5, 0], [4, 4, 5, 2], [3, 1, 4, 5], [0, 3, 3, 0]]
    close(atlas.cell_means(ROWS, cells, more_than=0)[1, 1], [0.31227821, -0.025754842, 0.62416446])
    assert atlas.cell_means(ROWS, cells) == {}  # none has more than five
    numbers, cost = atlas.assigned(places[:9], 3)
    assert numbers.tolist() == [6, 8, 5, 2, 1, 0, 3, 4, 7]
    close(cost, 0.8398391)


def test_two_clusters_never_share_a_cell():
    noise = np.random.default_rng(0).normal(scale=0.05, size=(60, 5))
    rows = noise + np.repeat([[0.0, 0, 0, 0, 0], [3, 0, 0, 0, 0]], 30, 0)
    cells = atlas.cells_of(atlas.normalised(atlas.principal_axes(rows)), 6)
    assert not set(cells.number[:30]) & set(cells.number[30:])


def test_accentuation_is_balanced_by_gradients():
    matrix, step = s(3, 4, 0.9, 1.4, 0.3, 0), np.arange(4)
    score = np.sin(1.2 * np.arange(3) + 0.4)
    start = np.sin(0.7 * step)
    image = start + 0.1 * np.sin(2.1 * step + 0.2)
    values, first = matrix @ image, matrix @ start
    gradients = matrix.T @ score, 2 * matrix.T @ (values - first)
    close([np.abs(each).sum() for each in gradients], [3.0284537, 0.73039405])
    beta = atlas.balance(*gradients)
    close(beta, 4.1463285)
    close(atlas.relative_distance(values, first), 0.028881727)
    close(atlas.accentuated(score @ (values - first), values, first, alpha=0.5, beta=beta), 0.11503683)
    with pytest.raises(UsageError, match="no gradient at the image itself; take a step of the score alone first"):
        atlas.balance(gradients[0], np.zeros(4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: atlas.whitening(np.zeros(3)), r"rows of activations are needed, got shape \(3,\)"),
        (lambda: atlas.alignment(ROWS, ROWS[0], objective="angle"), "objective is .*, got 'angle'"),
        (lambda: atlas.principal_axes(ROWS[:1]), r"2 axes need as many rows and channels, got shape \(1, 3\)"),
        (lambda: atlas.normalised(ROWS, "wide"), "margins are .*, got 'wide'"),
        (lambda: atlas.cells_of(ROWS[:, :2] * 9, 4), "4 x 4 of the unit square, and places lie within it"),
        (lambda: atlas.assigned(np.zeros((5, 2)), 2), "5 places do not fit 2 x 2 cells"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(UsageError, match=words):
        call()
