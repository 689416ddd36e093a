"""Units of the bundled network, whose images and concepts are known, get the names that are theirs."""

import functools

import numpy as np

import cnnviz_jax as cv
from cnnviz_plugins.models.shapes.images import CLASSES, CONCEPTS, draw_scenes

COUNT = 240
FEW = {"least": 5, "permutations": 40, "draws": 40, "progress": False}


@functools.cache
def scenes():
    drawn = draw_scenes(range(COUNT))
    shown = np.array([[name in scene.concepts for name in CONCEPTS] for scene in drawn], np.float32)
    return np.stack([scene.image for scene in drawn]), np.array([scene.label for scene in drawn]), shown


def test_units_of_the_last_layer_get_their_own_class_and_planted_wrong_labels_lose():
    images, labels, _ = scenes()
    right = labels[:, None] == np.arange(len(CLASSES))
    random = np.random.default_rng(0)
    wrong = np.where(random.random(COUNT) < 0.3, random.permutation(labels), labels)[:, None] == np.arange(len(CLASSES))
    words = (*(f"nearly {name}" for name in CLASSES), *CLASSES)
    found = cv.name_units(
        cv.load_model("shapes"), images, layer="fc", masks=np.concatenate([wrong, right], 1), concepts=words, **FEW
    )
    assert np.mean([best == name for best, name in zip(found.best, CLASSES, strict=True)]) >= 0.95
    assert np.mean([name.startswith(own) for name, own in zip(found.names, CLASSES, strict=True)]) >= 0.95
    assert (found.score > found.threshold).all()
    assert found.scored_by == "auprc"


def test_units_are_named_from_concept_masks_and_noise_is_refused():
    images, _, shown = scenes()
    model = cv.load_model("shapes")
    found = cv.name_units(model, images, layer="relu5", masks=shown, concepts=CONCEPTS, units=range(0, 96, 8), **FEW)
    for k, name in enumerate(found.names):
        assert (name == "") == (found.status[k] not in ("named", "two names"))
        assert name == "" or found.score[k] > found.threshold[k]
    assert sum(name != "" for name in found.names) >= 6
    noise = np.random.default_rng(1).random(shown.shape) < shown.mean(0)  # as many images of each, whichever they show
    refused = cv.name_units(model, images, layer="relu5", masks=noise, concepts=CONCEPTS, units=range(0, 96, 8), **FEW)
    assert sum(name == "" for name in refused.names) >= 11
