"""Targets of segmentation, detection and embeddings: the facts' numbers, what is fixed, and error texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import TargetError
from cnnviz_jax.targets.detection import overlap

BOX, CLASSES = (10.0, 10.0, 50.0, 40.0), (0.1, 0.8, 0.1)
FOUND = (
    ((12, 8, 52, 44), (0.2, 0.7, 0.1), 0.9),
    ((10, 10, 50, 40), (0.6, 0.3, 0.1), 0.5),
    ((60, 60, 80, 90), (0.1, 0.8, 0.1), 0.99),
)


def dense_model(logits):
    """A network whose output for an image of zeros is `logits`."""
    logits = jnp.asarray(logits, jnp.float32)
    return cv.adapt(lambda params, x: params + 0 * logits + x, logits, input_shape=logits.shape, name="dense")


def wave(rows, columns, a, b, c, d):
    i, j = np.mgrid[:rows, :columns]
    return np.sin(a * i + b * j + c * i * j + d)


def test_the_score_over_a_region_is_that_of_the_facts():
    model = dense_model(wave(36, 3, 0.4, 1.6, 0.27, 0).reshape(6, 6, 3))
    images = np.zeros((3, 6, 6, 3), np.float32)
    found = cv.explain("saliency", model, images, cv.targets.segment([0, 1, 2]))
    np.testing.assert_allclose(found.scores, [9.0842741, 8.0999207, 7.335032], rtol=1e-5)
    np.testing.assert_array_equal(found.target.mask.sum((1, 2)), [15, 10, 11])
    average = cv.explain("saliency", model, images, cv.targets.segment([0, 1, 2], average=True))
    np.testing.assert_allclose(average.scores, np.array([9.0842741, 8.0999207, 7.335032]) / [15, 10, 11], rtol=1e-5)
    assert found.provenance.targets == ("0 in its region", "1 in its region", "2 in its region")


def test_the_region_is_that_of_the_untouched_image():
    logits = np.zeros((2, 2, 2), np.float32)
    logits[..., 0] = 1
    model = dense_model(logits)
    image = np.zeros((1, 2, 2, 2), np.float32)
    drop = cv.explain("occlusion", model, image, cv.targets.segment(0), window=1, stride=1, fill=(-3.0, 0.0))
    np.testing.assert_allclose(drop.low_res[0], np.full((2, 2), 3.0))  # not 1, as with the region chosen anew
    mask = cv.explain("input-x-gradient", model, image + 1, cv.targets.segment(1, np.eye(2)))
    np.testing.assert_allclose(mask.values[0, ..., 1], np.eye(2))
    both = cv.explain("saliency", model, image, 2 * cv.targets.segment(0) - cv.targets.segment(0, np.eye(2)))
    np.testing.assert_allclose(both.scores, [2 * 4 - 2])


def test_a_region_without_a_pixel_is_said_in_a_sentence():
    model = dense_model(np.ones((2, 2, 2)) * [1, 0])
    with pytest.raises(TargetError, match="1 is the best class nowhere in image 0; name another, or a mask"):
        cv.explain("saliency", model, np.zeros((1, 2, 2, 2), np.float32), cv.targets.segment(1))
    with pytest.raises(TargetError, match="class 2 is out of range"):
        cv.explain("saliency", model, np.zeros((1, 2, 2, 2), np.float32), cv.targets.segment(2))


def proposals(outputs):
    boxes, probabilities, objectness = (jnp.asarray(each, jnp.float32) for each in zip(*FOUND, strict=True))
    return boxes + 0 * outputs.sum(), probabilities, objectness


def test_a_detection_is_weighed_as_the_facts_have_it():
    target = cv.targets.detection(proposals, BOX, CLASSES).batched(1)
    one = jax.tree.map(lambda leaf: leaf[0], target)
    assert float(one.score(jnp.zeros(1), {})) == pytest.approx(0.67598844, rel=1e-5)
    boxes = jnp.asarray([each[0] for each in FOUND], jnp.float32)
    np.testing.assert_allclose(overlap(jnp.asarray(BOX), boxes), [0.76, 1, 0], rtol=1e-6)
    alone = (boxes[1:2], jnp.asarray([FOUND[1][1]]), jnp.asarray([0.5]))
    second = jax.tree.map(lambda leaf: leaf[0], cv.targets.detection(lambda _: alone, BOX, CLASSES))
    assert float(second.score(None, {})) == pytest.approx(0.28130718, rel=1e-5)


def test_a_detector_of_bright_squares_is_explained_by_masks():
    def detector(params, x):
        """Two fixed boxes, left and right; how bright each is, as its objectness."""
        return jnp.stack([x[:, :, :4].mean((1, 2, 3)), x[:, :, 4:].mean((1, 2, 3))], 1) * params

    model = cv.adapt(detector, jnp.ones(()), input_shape=(8, 8, 1))

    def found(outputs):
        return jnp.asarray([[0, 0, 8, 4], [0, 4, 8, 8]]), jnp.ones((2, 1)), outputs

    image = np.ones((1, 8, 8, 1), np.float32)
    left = cv.targets.detection(found, (0, 0, 8, 4), [1.0])
    heat = cv.explain("occlusion", model, image, left, window=(8, 4), stride=4, fill=0.0)
    np.testing.assert_allclose(heat.low_res[0], [[1.0, 0.0]], atol=1e-6)
    assert heat.provenance.targets == ("detection at (0, 0, 8, 4)",)
    rise = cv.explain("rise", model, image, left, masks=64, grid=2, key=0)
    assert rise.values[0, :, :3].mean() > rise.values[0, :, 5:].mean()


def test_boxes_that_are_none_are_said_in_a_sentence():
    with pytest.raises(TargetError, match=r"a box is \(top, left, bottom, right\) with an area"):
        cv.targets.detection(proposals, (10, 10, 10, 40), CLASSES)
    with pytest.raises(TargetError, match="probabilities are one row for each of 1 boxes, not all 0"):
        cv.targets.detection(proposals, BOX, (0.0, 0.0))


def test_a_cosine_and_its_gradient_are_those_of_the_facts():
    j = np.arange(5)
    embedding, other = np.sin(1.3 * j), np.sin(0.6 * j + 0.5)
    target = jax.tree.map(lambda leaf: leaf[0], cv.targets.similarity(other))
    score, slope = jax.value_and_grad(lambda e: target.score(e, {}))(jnp.asarray(embedding, jnp.float32))
    assert float(score) == pytest.approx(0.25493655, rel=1e-5)
    np.testing.assert_allclose(slope, [0.18928833, 0.25151141, 0.33784102, 0.36605498, 0.18647608], rtol=1e-4)
    assert abs(float(slope @ embedding)) < 1e-6
    with pytest.raises(TargetError, match="an embedding of zeros has no direction"):
        cv.targets.similarity(np.zeros(5))
