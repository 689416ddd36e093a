"""Dissection: exact thresholds, overlap equal to a slow loop, and detectors of the textures of `shapes`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_plugins.survey.overlap import between, centres_of
from tests.explain.small_network import model, some_images

COUNT, NAMES = 13, ("shape:a", "shape:b", "colour:c")
SHARE = 0.1


@pytest.fixture(scope="module")
def images():
    return some_images(COUNT)


@pytest.fixture(scope="module")
def masks():
    drawn = np.random.default_rng(0).random((COUNT, 3, 12, 10)) < 0.3
    drawn[4, :2] = False  # an image that tells nothing about shapes
    return drawn


def dissect(images, masks, **options):
    fields = {"concepts": masks}
    return cv.survey("dissection", model(), images, layer="conv2", fields=fields, concepts=NAMES, **options)


@pytest.fixture(scope="module")
def result(images, masks):
    return dissect(images, masks, share=SHARE, batch=4)


@pytest.fixture(scope="module")
def maps(images):
    return cv.capture(model(), images, ["conv2"])["conv2"]


def test_the_threshold_is_the_value_that_exactly_that_share_exceeds(result, maps):
    table = np.sort(maps.reshape(-1, maps.shape[-1]), 0)[::-1]
    np.testing.assert_allclose(result.threshold, table[int(SHARE * len(table))], rtol=1e-6)
    assert ((table > result.threshold).mean(0) <= SHARE).all()


def test_overlap_is_that_of_a_slow_loop_over_images_units_and_concepts(result, maps, masks):
    centres = centres_of(model().layers["conv2"], (12, 10))
    rows, columns = between(centres[0], 12), between(centres[1], 10)
    category = [0, 0, 1]
    for unit in range(maps.shape[-1]):
        for concept in range(3):
            both = either = 0
            for image in range(COUNT):
                told = masks[image, [k for k in range(3) if category[k] == category[concept]]].any()
                covers = rows @ maps[image, :, :, unit] @ columns.T > result.threshold[unit]
                both += (covers & masks[image, concept]).sum()
                either += ((covers & told) | masks[image, concept]).sum()
            np.testing.assert_allclose(result.iou[unit, concept], both / either, atol=0.004)  # a pixel on the border


def test_the_batch_and_the_order_change_nothing(result, images, masks):
    order = np.random.default_rng(1).permutation(COUNT)
    again = dissect(images[order], masks[order], share=SHARE, batch=5)
    np.testing.assert_allclose(again.threshold, result.threshold, rtol=1e-6)
    np.testing.assert_allclose(again.iou, result.iou, atol=0.004)


def test_weights_between_centres_are_linear_and_stay_at_the_outermost():
    np.testing.assert_allclose(between((1.0, 3.0), 5), [[1, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 1]], atol=1e-7)


def planted(params, x):
    """Unit 0 is red itself, unit 1 is silent."""
    with jax.named_scope("colours"):
        return jax.lax.conv_general_dilated(x, params, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.fixture(scope="module")
def red():
    network = cv.adapt(planted, jnp.zeros((1, 1, 3, 2)).at[0, 0, 0, 0].set(1), input_shape=(8, 8, 3), name="red")
    images = np.zeros((4, 8, 8, 3), np.float32)
    where = np.zeros((4, 2, 8, 8), bool)
    where[:, 0, 2:4, 2:4] = True
    where[:, 1, 6:, 6:] = True
    images[:, 2:4, 2:4, 0] = 1
    return network, images, where


def test_a_unit_that_is_its_concept_overlaps_it_wholly_and_a_silent_one_detects_nothing(red):
    network, images, where = red
    found = cv.survey(
        "dissection",
        network,
        images,
        layer="colours",
        fields={"concepts": where},
        concepts=("red:on", "red:off"),
        share=0.1,
    )
    np.testing.assert_array_equal(found.iou, [[1, 0], [0, 0]])
    assert found.detectors == {0: "red:on"}
    assert found.table()[0]["state"] == "detector"
    np.testing.assert_array_equal(found.masks[0, 0], where[0, 0])


def test_on_shapes_every_texture_class_has_a_detector(tmp_path):
    from cnnviz_jax.data.opening import open_source

    network = cv.load_model("shapes")
    source = open_source("cnnviz_plugins.models.shapes.concepts:images", network.input_shape)
    found = cv.survey("dissection", network, source, layer="relu4")
    assert {"texture:stripes", "texture:checker", "texture:dots", "texture:zigzag"} <= set(found.detectors.values())
    assert cv.render(found, tmp_path / "dissection.png", dpi=40).stat().st_size > 5000
    assert cv.render(found, tmp_path / "dissection.npz").exists()


def test_images_without_masks_or_with_others_are_refused(images, masks):
    with pytest.raises(UsageError, match="these images come without 'concepts'; they have label"):
        cv.survey("dissection", model(), images, layer="conv2")
    with pytest.raises(UsageError, match="2 names for 3 concept masks"):
        cv.survey("dissection", model(), images, layer="conv2", fields={"concepts": masks}, concepts=("a", "b"))
    with pytest.raises(UsageError, match=r"the field 'concepts' has shape \(2, 3, 12, 10\); 13 images need as many"):
        cv.survey("dissection", model(), images, layer="conv2", fields={"concepts": masks[:2]})
    with pytest.raises(UsageError, match=r"got \(13, 3, 6, 10\)|got \(\d+, 3, 6, 10\)"):
        cv.survey("dissection", model(), images, layer="conv2", fields={"concepts": masks[:, :, :6]})
    with pytest.raises(LayerKindError, match="layer 'head' of small has no map"):
        cv.survey("dissection", model(), images, layer="head", fields={"concepts": masks})
    with pytest.raises(UsageError, match="share lies above 0 and below 1, got 1"):
        cv.survey("dissection", model(), images, layer="conv2", fields={"concepts": masks}, share=1.0)


def test_a_sweep_refuses_what_needs_more_than_one_pass(images):
    from cnnviz_jax.data.dataset import Dataset
    from cnnviz_jax.sweep.errors import SweepUsageError
    from cnnviz_jax.sweep.reductions import reducers_of
    from cnnviz_jax.sweep.spec import Survey

    source = Dataset.of(images, (12, 10, 3)).source
    with pytest.raises(SweepUsageError, match="dissection reads the images 3 times and a sweep reads them once"):
        reducers_of(Survey(technique="dissection", name="d", options={"layer": "conv2"}), model(), source)
