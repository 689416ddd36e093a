"""`cv.name_units`: units that are a concept get its name, others none."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax import naming
from cnnviz_jax.errors import ImageError, LayerNotFoundError, UsageError
from cnnviz_jax.naming.verdicts import halves_of
from tests.verbs.colour_network import COLOURS, COUNT, model, scenes

IMAGES, LABELS, MASKS = scenes()
NET = model()


@pytest.fixture(scope="module")
def found():
    return cv.name_units(NET, IMAGES, layer="conv", labels=LABELS)


def test_units_of_a_class_get_its_name_and_the_others_none(found):
    assert found.names == (*COLOURS, "", "", "")
    assert found.status == ("named", "named", "named", "silent", "chance", "chance")
    assert found.sentence(3) == "no concept found (the unit has one value for all images)"
    assert found.sentence(4).startswith("no concept found (best: ")
    assert found.scored_by == "auprc"
    assert found.warnings == ()
    assert found.missing_fall > 0.3 < found.extra_fall + 0.3


def test_the_score_is_that_of_the_images_held_out(found):
    values = cv.capture(NET, IMAGES, ["conv"])["conv"].max((1, 2))
    first, second = halves_of(np.arange(COUNT))
    for k in range(3):
        np.testing.assert_allclose(found.score[k], naming.score(values[second, k], LABELS[second] == k))
        np.testing.assert_allclose(found.chosen[k], naming.score(values[first, k], LABELS[first] == k))
    best = np.argsort(-values[:, found.shown[0]], kind="stable")[:4]
    np.testing.assert_array_equal(found.ids[0], best)
    np.testing.assert_array_equal(found.images[0], IMAGES[best])


def test_planted_wrong_labels_lose():
    wrong = np.random.default_rng(1).permutation(LABELS)
    assert cv.name_units(NET, IMAGES, layer="conv", labels=wrong).names == ("",) * 6
    half = np.where(np.random.default_rng(2).random(COUNT) < 0.3, wrong, LABELS)
    noisy = cv.name_units(NET, IMAGES, layer="conv", labels=half)
    right = cv.name_units(NET, IMAGES, layer="conv", labels=LABELS)
    assert (noisy.score[:3] < right.score[:3]).all()


def test_masks_name_units_whether_arrays_shares_or_a_field_of_the_source(found):
    by_masks = cv.name_units(NET, IMAGES, layer="conv", masks=MASKS, concepts=COLOURS)
    assert by_masks.names == found.names
    np.testing.assert_array_equal(by_masks.score, found.score)
    shares = MASKS.mean((2, 3)) * np.random.default_rng(0).uniform(0.5, 1, (COUNT, 1))
    graded = cv.name_units(NET, IMAGES, layer="conv", masks=shares, concepts=COLOURS, units=[2, 0])
    assert graded.scored_by == "pearson"
    assert graded.units == (2, 0)
    assert graded.best == ("blue", "red")

    brought = cv.name_units(NET, "tests.verbs.colour_network:source", layer="conv", masks="concepts")
    assert brought.concepts == COLOURS
    np.testing.assert_array_equal(brought.score, found.score)


def test_formulas_name_what_no_single_concept_does():
    other = np.asarray(NET.params["kernel"]).copy()
    other[0, 0, :2, 3] = 1  # red or green
    either = NET.with_params({"kernel": other})
    few = np.flatnonzero((LABELS == 2) | (np.arange(COUNT) < COUNT // 2))  # half of them are blue
    options = {"layer": "conv", "labels": LABELS[few], "units": [3], "permutations": 40}
    found = cv.name_units(either, IMAGES[few], length=2, **options)
    single = cv.name_units(either, IMAGES[few], **options)
    (name,) = found.best
    assert name in ("~blue", "(red | green)", "(green | red)")
    assert found.score[0] > single.score[0]


def test_given_embeddings_of_images_and_texts_name_units():
    rng = np.random.default_rng(3)
    texts = rng.normal(size=(12, 8))
    images = texts[LABELS] + 0.3 * rng.normal(size=(COUNT, 8))
    words = [*COLOURS, *(f"word {k}" for k in range(9))]
    found = cv.name_units(NET, IMAGES, layer="conv", embeddings=(images, texts), concepts=words)
    assert found.kind == "texts"
    assert found.scored_by == "soft_wpmi"
    assert found.best[:3] == COLOURS
    assert found.names[4:] == ("", "")
    assert any("12 texts are few" in text for text in found.warnings)
    assert np.isnan(found.p_value).all()


def test_a_score_that_misses_wrong_labels_is_told_of():
    found = cv.name_units(NET, IMAGES, layer="conv", labels=LABELS, score="accuracy", share=1 / 3)
    assert any("accuracy does not tell wrong labels well" in text for text in found.warnings)


def test_batches_seeds_and_chunks(found):
    again = cv.name_units(NET, IMAGES, layer="conv", labels=LABELS, batch=7)
    np.testing.assert_array_equal(again.score, found.score)
    np.testing.assert_array_equal(again.threshold, found.threshold)
    other = cv.name_units(NET, IMAGES, layer="conv", labels=LABELS, key=1)
    assert (other.threshold != found.threshold).any()
    np.testing.assert_array_equal(other.score, found.score)


def test_units_of_a_range_are_kept_and_named_again(tmp_path):
    found = cv.name_units(NET, IMAGES, layer="conv", labels=LABELS, units=range(2), concepts=list(COLOURS))
    kept = cv.load(cv.save(found, tmp_path / "names.npz"))
    assert kept.units == (0, 1)
    again = cv.rerun(kept.provenance, NET, IMAGES, labels=LABELS)
    assert again.names == kept.names == ("red", "green")


def test_what_cannot_name_units_is_refused_in_a_sentence():
    refusals = [
        ({}, UsageError, "one of labels, masks and embeddings, got none"),
        ({"labels": LABELS, "masks": MASKS}, UsageError, "got labels and masks"),
        ({"labels": LABELS, "layer": "conv9"}, LayerNotFoundError, "no layer 'conv9'"),
        ({"labels": LABELS, "units": [6]}, UsageError, "has units 0 to 5, got 6"),
        ({"labels": LABELS, "score": "soft_wpmi"}, UsageError, "score of names from labels is one of auprc"),
        ({"labels": LABELS, "length": 4}, UsageError, "length is 1, 2 or 3 concepts"),
        ({"labels": LABELS, "value": "sum"}, UsageError, 'value is "max" or "mean"'),
        ({"labels": LABELS, "permutations": 0}, UsageError, "permutations and draws are 1 or more"),
        ({"labels": LABELS, "concepts": ["red"]}, UsageError, "1 names for 3"),
        ({"masks": MASKS[:5]}, UsageError, r"for 120 images, got \(5, 3, 8, 8\)"),
        ({"masks": "concepts"}, UsageError, "these images come without 'concepts'"),
        ({"embeddings": (np.ones((5, 2)), np.ones((3, 2)))}, UsageError, "5 embeddings for 120 images"),
        ({"embeddings": (np.ones((COUNT, 2)), np.ones((3, 2)))}, UsageError, "texts have words"),
    ]
    for options, kind, text in refusals:
        with pytest.raises(kind, match=text):
            cv.name_units(NET, IMAGES, **({"layer": "conv"} | options))
    with pytest.raises(ImageError, match="units are named over 8 images and more, got 5"):
        cv.name_units(NET, IMAGES[:5], layer="conv", labels=LABELS[:5])
