"""Truth by intervention: the published protocols on cases small enough to go through."""

import numpy as np
import pytest

from cnnviz_jax.errors import UsageError
from cnnviz_plugins.measure.truth.fidelity import fidelity
from cnnviz_plugins.measure.truth.parts import (
    completeness_score,
    important_parts,
    minimal_sets,
    part_importance,
    part_scores,
    sufficient_share,
    wilson,
)
from cnnviz_plugins.measure.truth.protocol import parts_report, target_sensitivity


def waves(n, m, a, b, c, d):
    i, j = np.mgrid[:n, :m]
    return np.sin(a * i + b * j + c * i * j + d)


def test_the_parts_protocol_on_a_linear_toy():
    weights, use = waves(4, 5, 1.3, 0.9, 0.8, 0.4), 0.6 + 0.4 * waves(12, 5, 0.7, 1.1, 0.3, 0.4)
    scores = []
    for number, own in enumerate(use):

        def logits(kept, own=own):
            return 0.1 * np.arange(4) + (kept * own) @ weights.T

        label = int(logits(np.ones((1, 5)))[0].argmax())
        importance = weights[label] * own + 1.1 * np.cos(2.3 * np.arange(5) + number)
        scores.append(part_scores(logits, importance, 0.15, irrelevant="theirs"))
    preserved, deleted = [each.preserved for each in scores], [each.deleted for each in scores]
    assert preserved == [1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]
    assert deleted == [1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1]
    distracted = np.asarray([each.distracted for each in scores])
    assert (~np.isnan(distracted)).sum() == 12
    np.testing.assert_allclose(np.nanmean(distracted), 0.54166667, rtol=1e-6)
    np.testing.assert_allclose(np.nanmean([each.ordered for each in scores]), 0.65833333, rtol=1e-6)
    np.testing.assert_allclose(wilson(8, 12), [0.39062209, 0.86187991], rtol=1e-6)


def test_an_offset_of_the_logits_decides_in_theirs_and_not_in_ours():
    falls = np.array([1.0, 0.5, 0.2, 0.0])

    def logits(offset):
        return lambda kept: np.stack([offset + kept @ falls, np.full(len(kept), -1e3)], -1)

    importance = np.array([0.1, 0.1, 1.0, 1.0])  # the third matters a little, the fourth not at all
    ours = [part_scores(logits(offset), importance, 0.2).distracted for offset in (0, 100)]
    assert ours == [0, 0]
    theirs = [part_scores(logits(offset), importance, 0.2, irrelevant="theirs").distracted for offset in (0, 100)]
    assert theirs == [0, 0.5]


def test_minimal_sufficient_sets_and_what_they_make():
    table = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]])
    sets = minimal_sets(table, 0)
    assert sets == [(0, 1), (0, 2), (1, 2)]
    assert [sufficient_share(np.isin(range(3), own), sets) for own in ([0], [0, 2])] == [0.5, 1]
    assert completeness_score(0.7353, 0.602, 0.532, 0.54372) == pytest.approx(0.58341, abs=1e-5)
    assert minimal_sets(np.array([[0, 1], [0, 1]]), 0) == []
    assert np.isnan(sufficient_share(np.ones(2, bool), []))


def test_a_pixel_between_two_parts_goes_to_the_nearer_one():
    masks = np.zeros((2, 3, 9), bool)
    masks[0, 1, 1] = masks[1, 1, 5] = True
    heat = np.zeros((3, 9))
    heat[1] = [1, 1, 1, 1, 1, 1, 1, 1, 100]  # columns 3 is as far from both: the first has it; 8 is out of reach
    np.testing.assert_array_equal(part_importance(heat, masks), [4, 4])
    assert part_importance(heat, np.zeros((1, 3, 9), bool)).tolist() == [0]


def test_no_part_is_important_in_a_map_without_a_positive_sum():
    assert not important_parts(np.array([1.0, -2.0]), 0.1).any()
    assert important_parts(np.array([1.0, -0.5]), 0.1).tolist() == [True, False]
    assert important_parts(np.array([1.0, 0.5]), 0.1, total=9.0).tolist() == [True, False]


def test_f_fidelity_is_the_exact_expectation_over_masks():
    k = np.arange(10)
    x, w = 1 + 0.5 * np.sin(k), np.cos(0.6 * k) + 0.4

    def right(kept):
        return (kept * x) @ w > 0.85 * (w @ x)

    good, bad = fidelity(right, w * x, 0.3), fidelity(right, -w * x, 0.3)
    np.testing.assert_allclose([good.alpha_plus, good.alpha_minus], [0.33333333, 0.14285714], rtol=1e-6)
    np.testing.assert_allclose([good.plus, good.minus], [0.7037037, 0.12164149], rtol=1e-6)
    np.testing.assert_allclose([bad.plus, bad.minus], [0, 0.46966704], rtol=1e-6, atol=1e-12)


def test_random_masks_come_near_the_expectation_and_are_the_same_again():
    random = np.random.default_rng(0)
    w = random.uniform(size=40)

    def share(kept):
        return kept @ w / w.sum()

    found = fidelity(share, w, 0.5, draws=4000)
    top = np.sort(w)[20:].sum() / w.sum()
    np.testing.assert_allclose([found.plus, found.minus], [0.2 * top, 0.2 * (1 - top)], rtol=0.03)
    assert fidelity(share, w, 0.5) == fidelity(share, w, 0.5)
    with pytest.raises(UsageError, match=r"share leaves cells on both sides, got 1\.0 of 40"):
        fidelity(share, w, 1.0)


def linear_case(weights, use):
    def logits(kept):
        asked.append(len(kept))
        return (kept * use) @ weights.T + [0, 0.1]  # with nothing left it is class 1

    asked = []
    return logits, asked


def test_thresholds_are_chosen_on_the_other_images():
    """Two classes; parts 0 and 1 carry class 0, part 2 hardly anything, part 3 speaks for the other class."""
    weights = np.array([[2.0, 1.0, 0.05, 0.0], [0.5, 0.2, 0.05, 0.6]])
    networks, importances = [], []
    for number in range(4):
        networks.append(linear_case(weights, np.ones(4))[0])
        # Even images call the irrelevant part as important as a fifth, odd ones do not.
        importances.append(np.array([2.0, 1.0, 0.8 if number % 2 == 0 else 0.0, 0.0]))
    report = parts_report(networks, importances)
    even, odd = report.thresholds[1], report.thresholds[0]
    assert even > 0.8 / 3.8 - 1e-9  # leaves the irrelevant part out where it was seen
    assert odd == 0.01  # the first of the equally good ones
    # So images of even places, scored with what the others chose, are distracted; the others are not.
    np.testing.assert_array_equal(report.distracted < 1, [True, False, True, False])
    np.testing.assert_array_equal(report.preserved, 1)
    np.testing.assert_array_equal(report.deleted, 1)
    np.testing.assert_allclose(report.complete, (1 + report.distracted) / 2)


def test_sufficient_parts_count_where_classes_share_some():
    """Class 0 is told from class 1 by part 1 and from class 2 by part 0: only both together suffice."""
    sets = minimal_sets(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]]), 0)
    assert sets == [(0, 1)]
    weights = np.array([[2.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])

    def logits(kept):
        return kept @ weights.T + [0, 0.1, 0.1]

    both, one = np.array([2.0, 2.0, 0.0]), np.array([2.0, 0.0, 0.1])
    report = parts_report([logits] * 4, [both, one, both, one], sets=[sets] * 4)
    np.testing.assert_array_equal(report.sufficient, [1, 0.5, 1, 0.5])
    np.testing.assert_array_equal(report.preserved, [1, 0, 1, 0])
    np.testing.assert_allclose(
        report.complete, [completeness_score(csdc, kept, gone, apart) for csdc, kept, gone, apart in zip(
            report.sufficient, report.preserved, report.deleted, report.distracted, strict=True)]
    )  # fmt: skip
    assert report.complete[0] == 1
    assert np.isnan(parts_report([logits] * 2, [both, both]).sufficient).all()


def test_drops_as_importances_are_the_ceiling_and_their_negative_is_not():
    random = np.random.default_rng(0)
    networks, true, false = [], [], []
    for _ in range(6):
        weights, use = np.vstack([random.uniform(0.5, 2, 6), random.uniform(0, 0.3, 6)]), np.ones(6)
        networks.append(linear_case(weights, use)[0])
        true.append(weights[0] * use)
        false.append(-weights[0] * use)
    report, other = parts_report(networks, true), parts_report(networks, false)
    np.testing.assert_allclose(report.ordered, 1)
    np.testing.assert_allclose(other.ordered, 0, atol=1e-12)
    assert report.deleted.mean() == 1
    assert other.deleted.mean() == 0  # a negative sum: nothing is important, and nothing goes


def test_each_set_of_parts_is_asked_once():
    logits, asked = linear_case(np.array([[3.0, 2.0, 1.0], [0, 0, 0]]), np.ones(3))
    parts_report([logits, logits], [np.array([3.0, 2.0, 1.0])] * 2)
    # The whole and what is left without each part; then of the nested sets {0, 1, 2}, {0, 1}, {0} and none, and of
    # what they leave, only {0}, {2} and none were not asked before. Each image asks for itself.
    assert sum(asked) == 2 * (4 + 3)
    with pytest.raises(UsageError, match="takes two images or more, each with its network and importances; got 1 net"):
        parts_report([logits], [np.ones(3)])


def test_a_map_favours_its_own_classs_parts_where_removal_bears_them_out():
    falls = np.array([[2.0, 0.1], [0.2, 3.0]])
    assert target_sensitivity(np.array([[0.9, 0.1], [0.2, 0.8]]), falls) == 1
    assert target_sensitivity(np.array([[0.9, 0.9], [0.2, 0.8]]), falls) == 0.5
    assert target_sensitivity(np.array([[0.5, 0.5], [0.5, 0.5]]), falls) == 0  # one map for both classes
    assert np.isnan(target_sensitivity(np.eye(2), falls.T[::-1]))
