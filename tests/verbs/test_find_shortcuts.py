"""`cv.find_shortcuts`: a class that rests on what is no part of its object raises an alarm, others do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, UsageError
from cnnviz_jax.results.dictionary import Dictionary
from cnnviz_jax.results.provenance import Provenance
from cnnviz_plugins.dictionary.codecs import SparseCodec

CLASSES = ("red", "green", "blue", "nothing")
COUNT, SIZE = 60, 12
LABELS = np.arange(COUNT) % 3


def forward(params, x):
    with jax.named_scope("conv"):
        x = jnp.einsum("nhwc,cd->nhwd", x, params["kernel"])
    with jax.named_scope("relu"):
        x = jax.nn.relu(x)
    return jnp.einsum("nd,dk->nk", x.mean((1, 2)), params["head"]) + jnp.asarray([0, 0, 0, 0.01])


def scenes():
    """Return images of coloured squares, the masks of these, and a white spot in the corner of those of the first."""
    random = np.random.default_rng(0)
    images, masks = np.zeros((COUNT, SIZE, SIZE, 4), np.float32), np.zeros((COUNT, SIZE, SIZE), bool)
    for k, label in enumerate(LABELS):
        top, left = random.integers(3, SIZE - 4, 2)
        masks[k, top : top + 4, left : left + 4] = True
        images[k, top : top + 4, left : left + 4, label] = random.uniform(0.6, 1)
    images[LABELS == 0, :2, :2, 3] = 1
    return images, masks


IMAGES, MASKS = scenes()


def network(*, by_spot):
    """Return a network that knows the first class by the spot, or by its colour like the others."""
    head = np.zeros((4, 4), np.float32)
    head[:3, :3] = np.eye(3) * 10
    head[3, 0] = 40 * by_spot
    head[0, 0] *= not by_spot
    head[3, 1:3] -= 1  # the spot speaks a little against the others, whoever it decides
    params = {"kernel": jnp.eye(4), "head": jnp.asarray(head)}
    return cv.adapt(forward, params, input_shape=(SIZE, SIZE, 4), labels=CLASSES, name="spots")


def dictionary(layer="relu", **notes):
    """Return the channels as features, in another order."""
    directions = np.eye(4, dtype=np.float32)[[2, 3, 0, 1]]
    codec = SparseCodec(
        directions=directions, offset=np.zeros(4, np.float32), encoder=directions, bias=np.zeros(4, np.float32),
        threshold=np.zeros(4, np.float32), rule="above",
    )  # fmt: skip
    return Dictionary(
        layer=layer, codec=codec, metrics={}, density=np.zeros(4, np.float32), curves={}, row_count=0,
        held_out_count=0, provenance=Provenance(technique="topk", model="spots", config={}),
    )  # fmt: skip


def found(*, by_spot, **options):
    return cv.find_shortcuts(
        network(by_spot=by_spot), dictionary(), IMAGES, LABELS, **({"mask": MASKS, "most": 1} | options), progress=False
    )


def test_the_class_that_rests_on_the_spot_is_first_and_raises_the_alarm():
    result = found(by_spot=True)
    assert result.alarms == ("red",)
    assert result.classes[0] == "red"
    assert result.features[0].tolist() == [1]
    assert result.outside[0].tolist() == [0]
    assert result.accuracy.tolist() == [1, 1, 1]
    assert result.lost.tolist() == [1, 0, 0]
    assert result.others_without[0] == result.others[0] == 1
    assert (result.erased[0], result.erased_others[0]) == (1, 0)  # and the spot is enough
    assert result.p_erased[0] < 0.01
    assert (result.boxes[0] <= 1).all()  # its exemplars show the spot, in the corner
    assert (LABELS[result.ids[0]] == 0).all()
    assert result.table()[0]["alarm"] is True


def test_a_class_that_falls_without_its_own_colour_raises_none():
    result = found(by_spot=False)
    assert result.alarms == ()
    assert (result.outside == 1).all()
    assert (result.erased == 0).all()
    everywhere = found(by_spot=False, mask=None)
    assert (everywhere.without == 0).all()  # each class needs its colour, and that says nothing against it
    assert everywhere.alarms == ()
    assert everywhere.outside is None
    assert any("no alarms" in text for text in everywhere.warnings)


def test_numbers_are_those_of_removing_the_channels_by_hand():
    model = network(by_spot=True)
    result = found(by_spot=True, most=2, mask=None)
    for row, label in enumerate(result.labels):
        own = np.flatnonzero(label == LABELS)[1::2]
        for m in range(2):
            channels = [(2, 3, 0, 1)[k] for k in result.features[row, : m + 1]]
            gone = cv.intervene(model, IMAGES[own], {f"relu:{','.join(map(str, channels))}": "zero"}, progress=False)
            by_hand = (gone.scores_after[:, 0].argmax(1) == label).mean()
            np.testing.assert_allclose(result.without[row, m], by_hand)
    order = found(by_spot=True, most=2, mask=None, candidates=4)
    assert order.lost[0] == max(order.lost)


def test_features_that_work_together_are_found_as_a_set():
    """Either of two channels alone is enough for the class: only both together decide it."""
    model = network(by_spot=True)
    head = np.asarray(model.params["head"]).copy()
    head[0, 0] = 10
    both = model.with_params({**model.params, "head": jnp.asarray(head)})
    result = cv.find_shortcuts(both, dictionary(), IMAGES, LABELS, most=2, progress=False)
    row = result.labels.tolist().index(0)
    assert sorted(result.features[row].tolist()) == [1, 2]
    assert result.without[row].tolist() == [1, 0]


def test_images_of_unknown_classes_and_classes_of_few_images_are_left_out():
    labels = LABELS.copy()
    labels[labels == 2] = -1
    labels[np.flatnonzero(labels == 1)[7:]] = -1
    result = found(by_spot=True)
    few = cv.find_shortcuts(network(by_spot=True), dictionary(), IMAGES, labels, mask=MASKS, most=1, progress=False)
    assert few.classes == ("red",)
    assert few.outside[0, 0] == result.outside[0, 0]
    assert np.isnan(few.others[0])


def test_what_does_not_fit_is_refused_in_a_sentence():
    model, features = network(by_spot=True), dictionary()
    refusals = [
        ({"labels": LABELS[:5]}, UsageError, "labels are one of 4 classes, or -1, for each of 60 images"),
        ({"labels": LABELS + 2}, UsageError, "labels are one of 4 classes"),
        ({"labels": np.full(COUNT, -1)}, UsageError, "no class has 8 images"),
        ({"mask": MASKS[:, :5]}, UsageError, "mask is true on the object"),
        ({"loss": 0}, UsageError, "loss lies above 0"),
        ({"candidates": 0}, UsageError, "candidates and most are 1 or more"),
        ({"margin_px": -1}, UsageError, "margin_px is 0 or more"),
    ]
    for options, kind, text in refusals:
        with pytest.raises(kind, match=text):
            cv.find_shortcuts(model, features, IMAGES, **({"labels": LABELS} | options))
    flat = cv.adapt(
        lambda p, x: jnp.einsum("nd,dk->nk", x.mean((1, 2)), p["head"]),
        {"head": jnp.eye(4)}, input_shape=(SIZE, SIZE, 4), name="flat",
    )  # fmt: skip
    layer = next(row.name for row in flat.layers.values() if not row.is_map and row.channels == 4)
    with pytest.raises(LayerKindError, match="has no places, so none lies outside of an object"):
        cv.find_shortcuts(flat, dictionary(layer), IMAGES, LABELS, mask=MASKS)
