"""Generated images repeat themselves, are balanced, and tell the truth about what they show."""

import numpy as np
import pytest

from cnnviz_plugins.models.shapes.canvas import SIZE_PX
from cnnviz_plugins.models.shapes.images import CLASSES, CONCEPTS, draw_images, draw_scenes
from cnnviz_plugins.models.shapes.outlines import OUTLINES
from cnnviz_plugins.models.shapes.textures import TEXTURES


@pytest.fixture(scope="module")
def images():
    return draw_scenes(range(300))


def test_images_are_64_px_rgb_in_0_to_1(images):
    for image in images:
        assert image.image.shape == (SIZE_PX, SIZE_PX, 3) == (64, 64, 3)
        assert image.image.dtype == np.float32
        assert image.image.min() >= 0
        assert image.image.max() <= 1


def test_an_image_is_the_same_alone_and_among_others(images):
    for index in (0, 7, 299):
        (alone,) = draw_scenes([index])
        np.testing.assert_array_equal(alone.image, images[index].image)
        np.testing.assert_array_equal(alone.mask, images[index].mask)
        assert alone.concepts.keys() == images[index].concepts.keys()
    backwards, labels = draw_images([299, 7, 0])
    np.testing.assert_array_equal(backwards[0], images[299].image)
    assert list(labels) == [299 % 10, 7, 0]


def test_classes_are_balanced(images):
    assert np.bincount([image.label for image in images]).tolist() == [30] * len(CLASSES) == [30] * 10


def test_no_image_is_both_in_train_and_test(images):
    train, _ = draw_images(range(300), split="train")
    tests = {image.image.tobytes() for image in images}
    assert len(tests) == 300
    assert not tests & {image.tobytes() for image in train}
    # Not merely other noise on the same scene either: no train image is near its test namesake.
    far = [np.abs(tested.image - image).mean() for tested, image in zip(images, train, strict=True)]
    assert min(far) > 0.03


def test_every_object_has_a_mask_inside_the_image(images):
    for image in images:
        assert 0.02 < image.mask.mean() < 0.4
        border = np.concatenate([image.mask[0], image.mask[-1], image.mask[:, 0], image.mask[:, -1]])
        assert not border.any()


def test_the_mask_lies_on_the_object(images):
    """Circles differ from their surroundings right at the edge of the mask, and hardly within it."""
    for image in images[::10]:
        inside = image.image[_shrunk(_shrunk(_shrunk(image.mask)))]
        outside = image.image[_grown(_grown(image.mask)) & ~_grown(image.mask)]
        assert np.abs(np.median(inside, axis=0) - np.median(outside, axis=0)).max() > 0.1
        assert inside.std(axis=0).max() < 0.15


def test_a_ring_has_a_hole_that_is_background(images):
    for image in images[CLASSES.index("ring") :: 10]:
        rows, cols = np.nonzero(image.mask)
        assert not image.mask[round(rows.mean()), round(cols.mean())]


def test_concepts_say_what_the_object_is_made_of(images):
    for image in images:
        name = CLASSES[image.label]
        assert set(image.concepts) <= set(CONCEPTS)
        np.testing.assert_array_equal(image.concepts[f"shape:{name if name in OUTLINES else 'blob'}"], image.mask)
        np.testing.assert_array_equal(image.concepts[f"texture:{name if name in TEXTURES else 'plain'}"], image.mask)
        kinds = {concept: mask for concept, mask in image.concepts.items() if concept.startswith("colour:")}
        assert len(kinds) == (1 if name in OUTLINES else 2)
        np.testing.assert_array_equal(sum(mask.astype(int) for mask in kinds.values()), image.mask)
        (scenery,) = [mask for concept, mask in image.concepts.items() if concept.startswith("background:")]
        np.testing.assert_array_equal(scenery, ~image.mask)


def test_every_concept_is_shown_somewhere_and_no_class_owns_a_colour_or_background(images):
    shown = {concept for image in images for concept in image.concepts}
    assert shown == set(CONCEPTS)
    for concept in CONCEPTS:
        if concept.startswith("background:"):
            classes = {image.label for image in images if concept in image.concepts}
            assert classes == set(range(10))


def test_colour_masks_have_their_colour(images):
    reds = [image.image[image.concepts["colour:red"]].mean(0) for image in images if "colour:red" in image.concepts]
    blues = [image.image[image.concepts["colour:blue"]].mean(0) for image in images if "colour:blue" in image.concepts]
    assert all(colour.argmax() == 0 for colour in reds)
    assert all(colour.argmax() == 2 for colour in blues)


def _grown(mask):
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:] | mask


def _shrunk(mask):
    return ~_grown(~mask)
