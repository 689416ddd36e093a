"""Targets: what is scored, one number an image, and sentences where it cannot be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import targets
from cnnviz_jax.errors import TargetError
from tests.explain.small_network import model, some_images


def dense(params, x):
    """Two classes at each of 3 x 2 positions: sums of 2 x 2 pixels, and their negatives."""
    y = x.reshape(len(x), 3, 2, 2, 2).sum((2, 4))
    return jnp.stack([y, -2 * y], -1)


@pytest.fixture(scope="module")
def segmenter():
    return cv.adapt(dense, {}, input_shape=(6, 4, 1))


def scores(net, images, target):
    return np.asarray(cv.explain("saliency", net, images, target).scores)


@pytest.mark.parametrize("unit", ["logit", "probability", "log_probability", "margin"])
def test_a_class_is_scored_in_four_units(unit):
    images, classes = some_images(3), np.array([0, 3, 1])
    logits = np.asarray(model()(images), np.float64)
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    chosen = logits[range(3), classes]
    others = np.where(np.arange(4) == classes[:, None], -np.inf, logits).max(1)
    expected = {
        "logit": chosen,
        "probability": share[range(3), classes],
        "log_probability": np.log(share[range(3), classes]),
        "margin": chosen - others,
    }[unit]
    np.testing.assert_allclose(scores(model(), images, targets.class_score(classes, unit)), expected, atol=1e-5)


def test_a_result_keeps_the_unit_it_was_explained_in():
    result = cv.explain("saliency", model(), some_images(2), targets.class_score(1, "margin"))
    assert result.target.of == "margin"
    np.testing.assert_array_equal(cv.explain("saliency", model(), some_images(2), [2, 1]).target, [2, 1])


def test_a_saturated_softmax_is_told():
    net = cv.adapt(lambda p, x: 50 * x.mean((1, 2)), {}, input_shape=(4, 4, 2))
    images = np.stack([np.full((4, 4, 2), 0.5), np.full((4, 4, 2), (0.9, 0.1))]).astype(np.float32)
    result = cv.explain("saliency", net, images, targets.class_score(0, "probability"))
    assert [w for w in result.warnings if w.startswith("the softmax is saturated for image 1 (probability 1)")]
    result = cv.explain("saliency", net, images, targets.class_score(0))
    assert not [w for w in result.warnings if "saturated" in w]


def test_a_set_of_pixels_of_a_dense_output(segmenter):
    image = some_images(2, 6, 4, 1)
    mask = np.array([[1, 0], [0, 0], [0, 1]])
    result = cv.explain("saliency", segmenter, image, targets.pixels(1, mask))
    expected = np.kron(-2 * mask / 2, np.ones((2, 2)))
    np.testing.assert_allclose(result.values[..., 0], [expected, expected])
    assert result.provenance.targets == ("1 in pixels",) * 2


def test_a_box_of_a_dense_output_is_those_pixels(segmenter):
    image = some_images(1, 6, 4, 1)
    boxed = targets.box(0, 1, 0, 2, 1, size=(3, 2))
    same = targets.pixels(0, [[0, 0], [1, 0], [1, 0]])
    np.testing.assert_array_equal(scores(segmenter, image, boxed), scores(segmenter, image, same))
    described = cv.explain("saliency", segmenter, image, boxed).provenance.targets
    assert described == ("0 in the box of 2 x 1 at row 1, column 0",)


def test_one_mask_per_image(segmenter):
    images = some_images(2, 6, 4, 1)
    masks = np.zeros((2, 3, 2))
    masks[0, 0, 0] = masks[1, 2, 1] = 1
    outputs = np.asarray(segmenter(images))
    found = scores(segmenter, images, targets.pixels(0, masks))
    np.testing.assert_allclose(found, [outputs[0, 0, 0, 0], outputs[1, 2, 1, 0]], rtol=1e-6)


def test_similarity_to_an_embedding_at_a_layer():
    images = some_images(3)
    activations = cv.capture(model(), images, ["conv2"])["conv2"].mean((1, 2))
    given = np.arange(8, dtype=np.float32) - 3
    cosine = activations @ given / np.linalg.norm(activations, axis=1) / np.linalg.norm(given)
    np.testing.assert_allclose(scores(model(), images, targets.similarity(given, "conv2")), cosine, atol=1e-5)
    dot = targets.similarity(np.stack([given, 2 * given, -given]), "conv2", "dot")
    np.testing.assert_allclose(scores(model(), images, dot), activations @ given * [1, 2, -1], rtol=1e-4)


def test_similarity_of_outputs_and_of_nothing():
    image = some_images(1)
    logits = np.asarray(model()(image))[0]
    np.testing.assert_allclose(scores(model(), image, targets.similarity(logits)), 1, rtol=1e-5)
    with pytest.raises(TargetError, match="an embedding of zeros has no direction"):
        targets.similarity(np.zeros(4))


def test_any_callable_is_a_target():
    image = some_images(2)
    logits = np.asarray(model()(image))
    np.testing.assert_allclose(
        scores(model(), image, lambda out: out[0] * out[1]), logits[:, 0] * logits[:, 1], rtol=1e-4
    )


def test_a_batched_target_passes_through_jax_tree():
    target = targets.similarity(np.ones(4)).batched(3)
    assert jax.tree.map(lambda leaf: leaf[1], target).embedding.shape == (4,)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (targets.pixels(0, np.ones((4, 4))), r"the mask is \(4, 4\), the output of .* is \(3, 2\)"),
        (targets.pixels(2, np.ones((3, 2))), "class 2 is out of range: .* has classes 0 to 1"),
        (targets.pixels(0, np.zeros((3, 2))), "holds no position"),
        (targets.box(0, 5, 5, 1, 1, size=(3, 2)), "holds no position"),
        (targets.pixels(0, np.ones((3, 3, 2))), "3 masks for 2 images"),
        (targets.similarity(np.ones(5)), "the embedding has 5 numbers, the outputs of .* have 2"),
        (targets.class_score([0, 1, 0]), "names 3 values for 2 images"),
        (targets.class_score(0, "odds"), "no class score called 'odds'"),
    ],
)
def test_says_what_does_not_fit(segmenter, target, text):
    with pytest.raises(TargetError, match=text):
        cv.explain("saliency", segmenter, some_images(2, 6, 4, 1), target)


def test_pixels_need_a_dense_output():
    with pytest.raises(TargetError, match=r"gives \(4,\) for one image; pixels and boxes need"):
        cv.explain("saliency", model(), some_images(1), targets.pixels(0, np.ones((3, 2))))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: targets.pixels(0, np.ones(3)), r"a mask is \(rows, cols\), or one per image, got shape \(3,\)"),
        (lambda: targets.similarity([np.nan, 1.0]), "one row of finite numbers"),
    ],
)
def test_refuses_what_is_no_mask_or_embedding(make, text):
    with pytest.raises(TargetError, match=text):
        make()


def test_classes_go_by_name_and_several_targets_of_one_kind_stand_in_a_list():
    images = some_images(2)
    named = cv.adapt(dense, {}, input_shape=(6, 4, 1), labels=("plus", "minus"))
    one = np.zeros((2, 6, 4, 1), np.float32)
    assert cv.explain("saliency", named, one, target=["Minus", 0]).provenance.targets == ("1 minus", "0 plus")
    neurons = [targets.neuron("conv1", 0, 0, 1), targets.neuron("conv1", 1, 2, 0)]
    apart = [scores(model(), images[i : i + 1], each)[0] for i, each in enumerate(neurons)]
    np.testing.assert_allclose(scores(model(), images, neurons), apart, rtol=1e-6)
    with pytest.raises(TargetError, match=r"no class of dense is called 'minos'; say its number. Did you mean 'minus'"):
        cv.explain("saliency", named, one, target="minos")
    with pytest.raises(TargetError, match="differ in numbers only, not in kind, layer or unit; got Channel, Neuron"):
        scores(model(), images, [neurons[0], targets.channel("conv1", 0)])
