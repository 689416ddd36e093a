"""Figures: classes that share parts, drawn so that any part can go, and the network that names them."""

from itertools import combinations

import numpy as np
import pytest

from cnnviz_plugins.measure.truth.parts import minimal_sets
from cnnviz_plugins.models.figures import training
from cnnviz_plugins.models.figures.classes import CLASSES, CODES, SLOTS, VARIANTS, agreeing, pairs
from cnnviz_plugins.models.figures.images import draw_figures
from cnnviz_plugins.models.figures.parts import parted_figure
from cnnviz_plugins.models.shapes.backgrounds import SPRINKLES
from cnnviz_plugins.models.shapes.bundled import load_shapes
from cnnviz_plugins.models.shapes.canvas import Kept
from cnnviz_plugins.models.shapes.train import save

OWN = len(SLOTS)


def test_any_two_classes_differ_in_three_slots_and_each_has_ten_pairs_that_share_two_parts_with_it():
    assert CODES.shape == (20, OWN)
    assert len(set(CLASSES)) == 20
    assert min((CODES[a] != CODES[b]).sum() for a, b in combinations(range(20), 2)) == 3
    for label in range(20):
        found = pairs(label)
        assert len(found) >= 10
        for pair in found:
            first, second = (np.flatnonzero(CODES[other] == CODES[label]) for other in pair)
            assert (len(first), len(second)) == (2, 2)
            assert not set(first) & set(second)


def test_no_part_alone_tells_a_class_and_three_always_do():
    for label in range(20):
        sets = minimal_sets(CODES, label)
        assert {len(own) for own in sets} <= {2, 3}
    for slot in range(OWN):
        assert min(np.bincount(CODES[:, slot])) >= 4


def test_the_answer_without_parts_is_every_class_that_agrees():
    kept = np.ones((4, OWN), bool)
    kept[1, 0] = False
    kept[2, 1:] = False
    kept[3] = False
    answers = agreeing(np.array([0, 0, 0, 7]), kept)
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(answers[:2].argmax(1), 0)
    np.testing.assert_array_equal(answers[:2].max(1), 1)  # four parts are enough
    same_head = CODES[:, 0] == CODES[0, 0]
    np.testing.assert_allclose(answers[2], same_head / same_head.sum(), rtol=1e-6)
    np.testing.assert_allclose(answers[3], 1 / 20, rtol=1e-6)


def test_an_image_depends_on_its_number_alone():
    images, labels = draw_figures([3, 20, 47])
    np.testing.assert_array_equal(labels, [3, 0, 7])
    assert (images.shape, images.dtype) == ((3, 64, 64, 3), np.float32)
    assert 0 <= images.min() < images.max() <= 1
    np.testing.assert_array_equal(draw_figures([47])[0][0], images[2])
    assert np.abs(draw_figures([47], split="train")[0][0] - images[2]).max() > 0.1


@pytest.fixture(scope="module")
def figures():
    return [parted_figure(number) for number in (0, 5, 33)]


def without(own, *gone):
    """The image with all parts but those numbered."""
    kept = np.ones((1, len(own.names)), bool)
    kept[0, list(gone)] = False
    return own.redrawn(kept)[0]


def test_with_all_its_parts_it_is_the_image(figures):
    for own, number in zip(figures, (0, 5, 33), strict=True):
        np.testing.assert_array_equal(own.image, draw_figures([number])[0][0])
        np.testing.assert_array_equal(without(own), own.image)
        assert own.label == number % 20
        assert own.names[:OWN] == SLOTS
        assert own.names[-1] == "scenery"


def test_a_part_is_gone_where_it_was_and_nothing_else_changes(figures):
    for own in figures:
        assert own.masks.any((1, 2)).all()
        for part, mask in enumerate(own.masks[:-1]):
            changed = np.abs(without(own, part) - own.image).max(-1)
            assert changed[~mask].max() <= 1 / 255
            assert changed[mask].min() > 1 / 255
        for first, second in combinations(range(OWN), 2):  # parts of a figure do not cover one another
            assert (own.masks[first] & own.masks[second]).sum() <= 4


def test_without_their_parts_figures_of_different_classes_are_bodies_alike():
    kept = Kept(np.zeros((2, OWN), bool), np.ones((2, SPRINKLES), bool), np.ones(2, bool))
    bare, _ = draw_figures([4, 5], kept)
    whole, _ = draw_figures([4, 5])
    assert (np.abs(bare - whole).max(-1) > 1 / 255).mean() > 0.1
    changed = np.abs(without(parted_figure(4), *range(OWN)) - bare[0])
    assert changed.max() == 0


def test_every_variant_looks_different():
    # One class for each variant of each slot; the same number's scenery, place and colours would hide nothing.
    for slot, name in enumerate(SLOTS):
        shown = []
        for variant in range(len(VARIANTS[name])):
            label = int(np.flatnonzero(CODES[:, slot] == variant)[0])
            own = parted_figure(label)
            rows, cols = np.nonzero(own.masks[slot])
            shown.append(own.masks[slot][rows.min() : rows.max() + 1, cols.min() : cols.max() + 1])
        assert len({each.tobytes() for each in shown}) == 4, name
        assert all(each.sum() > 40 for each in shown), name


def test_batches_say_which_classes_their_figures_may_be():
    images, answers = next(training.figure_batches(1, 24, leave_out=0.6, seed=2))
    assert images.shape == (24, 64, 64, 3)
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-6)
    assert 1 < (answers > 0).sum(1).mean() < 20
    again, _ = next(training.figure_batches(1, 24, leave_out=0.6, seed=2))
    np.testing.assert_array_equal(images, again)
    _, sure = next(training.figure_batches(1, 8, leave_out=0.0))
    np.testing.assert_array_equal(sure.max(1), 1)


def test_a_network_for_figures_begins_as_the_bundled_one_and_comes_back_from_its_checkpoint(tmp_path):
    network, loss = training.trained(1)
    assert loss < 6
    bundled = load_shapes()
    moved = np.abs(np.asarray(network.conv3.kernel[...]) - np.asarray(bundled.conv3.kernel[...])).max()
    assert 0 < moved < 2e-3  # one step of Adam
    np.testing.assert_array_equal(network.bn3.mean[...], bundled.bn3.mean[...])
    save(network, tmp_path / "figures")
    model, (images, _) = training.build(tmp_path / "figures"), draw_figures(range(3))
    assert model.labels == CLASSES
    assert np.asarray(model(images)).shape == (3, 20)
