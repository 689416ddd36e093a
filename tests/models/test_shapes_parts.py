"""Images by their parts: what is taken away is away, exactly, and nothing else changes."""

import numpy as np
import pytest

from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import draw_scenes
from cnnviz_plugins.models.shapes.parts import QUARTERS, parted

NUMBERS = (3, 8, 14, 25)
"""A star, dots, a cross, a ring."""


@pytest.fixture(scope="module")
def images():
    return [parted(number) for number in NUMBERS]


def without(own, *gone):
    """The image with all parts but those numbered."""
    kept = np.ones((1, len(own.names)), bool)
    kept[0, list(gone)] = False
    return own.redrawn(kept)[0]


def test_with_all_its_parts_it_is_the_image(images):
    for own, scene in zip(images, draw_scenes(NUMBERS), strict=True):
        np.testing.assert_array_equal(own.image, scene.image)
        np.testing.assert_array_equal(without(own), scene.image)
        assert own.label == scene.label
    (train,) = draw_scenes([3], split="train")
    np.testing.assert_array_equal(without(parted(3, split="train")), train.image)


def test_every_part_shows_and_the_quarters_cover_the_object(images):
    for own, scene in zip(images, draw_scenes(NUMBERS), strict=True):
        assert own.masks.shape == (len(own.names), SIZE_PX, SIZE_PX)
        assert own.masks.any((1, 2)).all()
        assert own.masks[:QUARTERS].any(0)[scene.mask].mean() > 0.99
        assert own.masks.any(0).all()
        assert own.names[:QUARTERS] == ("quarter 1", "quarter 2", "quarter 3", "quarter 4")
        assert own.names[-1] == "scenery"
        assert all(name.startswith("sprinkle ") for name in own.names[QUARTERS:-1])


def test_a_part_is_gone_where_it_was_and_nothing_else_changes(images):
    for own in images:
        for part, mask in enumerate(own.masks[:-1]):
            changed = np.abs(without(own, part) - own.image).max(-1)
            assert changed[~mask].max() <= 1 / 255
            assert changed[mask].min() > 1 / 255


def test_another_scenery_stands_behind_the_same_object(images):
    for own, scene in zip(images, draw_scenes(NUMBERS), strict=True):
        changed = np.abs(without(own, len(own.names) - 1) - own.image).max(-1)
        inside = scene.mask & np.roll(scene.mask, 1, 0) & np.roll(scene.mask, -1, 0)
        inside &= np.roll(scene.mask, 1, 1) & np.roll(scene.mask, -1, 1)
        assert changed[inside].max() < 1e-6
        assert np.median(changed[own.masks[-1]]) > 0.02


def test_parts_that_lie_apart_go_without_asking_each_other(images):
    for own in images:
        first, last = QUARTERS, len(own.names) - 2
        assert not (own.masks[first] & own.masks[last]).any()
        both = without(own, first, last)
        np.testing.assert_array_equal(both[own.masks[first]], without(own, first)[own.masks[first]])
        np.testing.assert_array_equal(both[own.masks[last]], without(own, last)[own.masks[last]])


def test_without_its_quarters_nothing_of_the_object_is_left(images):
    for own in images:
        bare = without(own, *range(QUARTERS))
        gone = np.abs(bare - own.image).max(-1) > 1 / 255
        np.testing.assert_array_equal(gone, own.masks[:QUARTERS].any(0))
