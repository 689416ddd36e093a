"""Generated pictures repeat themselves, are balanced, and tell the truth about what they show."""

import numpy as np
import pytest

from cnnviz_plugins.models.shapes.images import CLASSES, CONCEPTS, SIZE_PX, draw_images, draw_pictures
from cnnviz_plugins.models.shapes.outlines import OUTLINES
from cnnviz_plugins.models.shapes.textures import TEXTURES


@pytest.fixture(scope="module")
def pictures():
    return draw_pictures(range(300))


def test_pictures_are_64_px_rgb_in_0_to_1(pictures):
    for picture in pictures:
        assert picture.image.shape == (SIZE_PX, SIZE_PX, 3) == (64, 64, 3)
        assert picture.image.dtype == np.float32
        assert picture.image.min() >= 0
        assert picture.image.max() <= 1


def test_a_picture_is_the_same_alone_and_among_others(pictures):
    for index in (0, 7, 299):
        (alone,) = draw_pictures([index])
        np.testing.assert_array_equal(alone.image, pictures[index].image)
        np.testing.assert_array_equal(alone.mask, pictures[index].mask)
        assert alone.concepts.keys() == pictures[index].concepts.keys()
    backwards, labels = draw_images([299, 7, 0])
    np.testing.assert_array_equal(backwards[0], pictures[299].image)
    assert list(labels) == [299 % 10, 7, 0]


def test_classes_are_balanced(pictures):
    assert np.bincount([picture.label for picture in pictures]).tolist() == [30] * len(CLASSES) == [30] * 10


def test_no_picture_is_both_in_train_and_test(pictures):
    train, _ = draw_images(range(300), split="train")
    tests = {picture.image.tobytes() for picture in pictures}
    assert len(tests) == 300
    assert not tests & {image.tobytes() for image in train}
    # Not merely other noise on the same scene either: no train picture is near its test namesake.
    far = [np.abs(picture.image - image).mean() for picture, image in zip(pictures, train, strict=True)]
    assert min(far) > 0.03


def test_every_object_has_a_mask_inside_the_picture(pictures):
    for picture in pictures:
        assert 0.02 < picture.mask.mean() < 0.4
        border = np.concatenate([picture.mask[0], picture.mask[-1], picture.mask[:, 0], picture.mask[:, -1]])
        assert not border.any()


def test_the_mask_lies_on_the_object(pictures):
    """Circles differ from their surroundings right at the edge of the mask, and hardly within it."""
    for picture in pictures[::10]:
        inside = picture.image[_shrunk(_shrunk(_shrunk(picture.mask)))]
        outside = picture.image[_grown(_grown(picture.mask)) & ~_grown(picture.mask)]
        assert np.abs(np.median(inside, axis=0) - np.median(outside, axis=0)).max() > 0.1
        assert inside.std(axis=0).max() < 0.15


def test_a_ring_has_a_hole_that_is_background(pictures):
    for picture in pictures[CLASSES.index("ring") :: 10]:
        rows, cols = np.nonzero(picture.mask)
        assert not picture.mask[round(rows.mean()), round(cols.mean())]


def test_concepts_say_what_the_object_is_made_of(pictures):
    for picture in pictures:
        name = CLASSES[picture.label]
        assert set(picture.concepts) <= set(CONCEPTS)
        np.testing.assert_array_equal(picture.concepts[f"shape:{name if name in OUTLINES else 'blob'}"], picture.mask)
        np.testing.assert_array_equal(
            picture.concepts[f"texture:{name if name in TEXTURES else 'plain'}"], picture.mask
        )
        kinds = {concept: mask for concept, mask in picture.concepts.items() if concept.startswith("colour:")}
        assert len(kinds) == (1 if name in OUTLINES else 2)
        np.testing.assert_array_equal(sum(mask.astype(int) for mask in kinds.values()), picture.mask)
        (scenery,) = [mask for concept, mask in picture.concepts.items() if concept.startswith("background:")]
        np.testing.assert_array_equal(scenery, ~picture.mask)


def test_every_concept_is_shown_somewhere_and_no_class_owns_a_colour_or_background(pictures):
    shown = {concept for picture in pictures for concept in picture.concepts}
    assert shown == set(CONCEPTS)
    for concept in CONCEPTS:
        if concept.startswith("background:"):
            classes = {picture.label for picture in pictures if concept in picture.concepts}
            assert classes == set(range(10))


def test_colour_masks_have_their_colour(pictures):
    reds = [
        picture.image[picture.concepts["colour:red"]].mean(0)
        for picture in pictures
        if "colour:red" in picture.concepts
    ]
    blues = [
        picture.image[picture.concepts["colour:blue"]].mean(0)
        for picture in pictures
        if "colour:blue" in picture.concepts
    ]
    assert all(colour.argmax() == 0 for colour in reds)
    assert all(colour.argmax() == 2 for colour in blues)


def _grown(mask):
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:] | mask


def _shrunk(mask):
    return ~_grown(~mask)
