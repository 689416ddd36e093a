"""Interventions: values inside the model changed, against networks changed by hand and arithmetic on layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import CnnvizWarning, ImageError, LayerNotFoundError, UsageError
from tests.explain import known_networks as known

FOUR = known.FOUR


def head(model, images, layer="relu2"):
    """Logits of net C from the values of its last layer with a map."""
    dense = known.c_parameters()["dense"]
    return lambda values: values.mean((1, 2)) @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])


def logits(model, images=FOUR):
    return np.asarray(model(images))


@pytest.fixture(scope="module")
def values():
    return cv.capture(known.net_c(), FOUR, ["relu2", "conv2"])


def test_a_layers_own_value_changes_nothing_and_zeroing_equals_a_network_changed_by_hand(values):
    net = known.net_c()
    own = cv.intervene(net, FOUR, {"conv2": values["conv2"], "relu2": "scale(1)"}, 1)
    np.testing.assert_allclose(own.scores_after[:, 0], logits(net), atol=1e-6)
    params = known.c_parameters()
    params["conv2"] = jax.tree.map(lambda leaf: leaf.at[..., 1].set(0), params["conv2"])
    zeroed = cv.intervene(net, FOUR, {"conv2:1": "zero", "relu2": "scale(1)"}, 1)
    np.testing.assert_allclose(zeroed.scores_after[:, 0], logits(net.with_params(params)), atol=1e-6)
    np.testing.assert_allclose(zeroed.scores_before, logits(net), atol=1e-6)
    np.testing.assert_allclose(zeroed.after[:, 0], zeroed.scores_after[:, 0, 1], atol=1e-6)
    np.testing.assert_allclose(zeroed.change, zeroed.scores_change[..., 1], atol=1e-6)


@pytest.mark.filterwarnings("ignore::cnnviz_jax.errors.CnnvizWarning")
@pytest.mark.parametrize(
    ("edit", "change", "expected"),
    [
        ("relu2", "scale(0.5)", lambda v: 0.5 * v),
        ("relu2:1", 2.5, lambda v: np.stack([v[..., 0], np.full(v.shape[:3], 2.5)], -1)),
        ("relu2@0,1,2x1", "zero", lambda v: v * np.float32([[1, 0], [1, 0]])[..., None]),
        ("relu2:0@1,1", "scale(3)", lambda v: v * (1 + 2 * (np.arange(8) == 6)).reshape(2, 2, 2)),
        ("relu2:0", "mean", lambda v: np.stack([np.full(v.shape[:3], v[..., 0].mean()), v[..., 1]], -1)),
        ("relu2", "array", lambda v: np.broadcast_to(np.arange(8, dtype=np.float32).reshape(2, 2, 2), v.shape)),
        ("relu2", "function", lambda v: v**2),
    ],
)
@pytest.mark.parametrize("kind", ["nchw"])
def test_every_change_equals_the_same_arithmetic_on_the_layer(kind, values, edit, change, expected):
    made = {"array": np.arange(8.0).reshape(2, 2, 2), "function": jnp.square}.get(change, change)
    found = cv.intervene(known.net_c(kind), FOUR, {edit: made}, 0)
    after = head(known.net_c(), FOUR)(expected(values["relu2"]).astype(np.float64))
    np.testing.assert_allclose(found.scores_after[:, 0], after, atol=1e-5)


def test_patching_a_cut_gives_the_other_images_scores_and_positions_add_up(values):
    net, other = known.net_c(), FOUR[1]
    whole = cv.intervene(net, FOUR[:1], {"conv*": "patch", "relu2": "patch"}, 0, each="edit", source=other)
    assert whole.edits == ("conv1=patch", "conv2=patch", "relu2=patch")
    np.testing.assert_allclose(whole.restored, np.ones((1, 3)), atol=1e-5)
    np.testing.assert_allclose(whole.after[0], np.full(3, logits(net)[1, 0]), atol=1e-6)
    assert [row["edit"] for row in whole.table()] == list(whole.edits)
    places = cv.intervene(net, FOUR[:1], {"relu2": "patch"}, 0, each="position", source=other)
    # Above relu2 the network is linear, so that what the positions bring adds up to all of it.
    weights = np.asarray(known.c_parameters()["dense"]["kernel"])[:, 0]
    expected = (values["relu2"][1] - values["relu2"][0]) @ weights / 4
    np.testing.assert_allclose(places.maps["relu2=patch"][0], expected, atol=1e-6)
    np.testing.assert_allclose(places.change.sum(), whole.change[0, 2], atol=1e-5)
    corner = cv.intervene(net, FOUR[:1], {"relu2@0,1,2x1": "patch"}, 0, each="position", source=other)
    np.testing.assert_allclose(corner.maps["relu2@0,1,2x1=patch"][0, :, 1], expected[:, 1], atol=1e-6)
    assert np.isnan(corner.maps["relu2@0,1,2x1=patch"][0, :, 0]).all()


def test_every_channel_alone_and_the_table():
    found = cv.intervene(known.net_c(), FOUR[:1], {"conv2": "zero", "pool": "zero"}, 0, each="channel", names=["a.png"])
    # Channel ablation of the published numbers, as f(x) less f(ablated).
    np.testing.assert_allclose(-found.change[0], [0.7302197, -0.5765055, 1.0881831, -1.0535574, 0.1926856], atol=2e-6)
    rows = found.table()
    assert [(row["edit"], row["channel"]) for row in rows[1:3]] == [("conv2=zero", 1), ("pool=zero", 0)]
    assert rows[0]["image"] == "a.png"
    assert found.label(4) == "pool=zero, channel 2"
    assert rows[0]["class before"] == "1"
    assert not found.maps


def test_other_channels_places_numbers_and_sources_compile_nothing():
    net = known.net_c()
    cv.intervene(net, FOUR[:2], {"conv2:0": "scale(2)"}, 0)
    before = compilations()
    cv.intervene(net, FOUR[2:], {"conv2:1@0,1": "scale(0.25)"}, 1)
    cv.intervene(net, FOUR[2:], {"conv2": "zero"}, 2)
    assert compilations() == before


def test_a_result_is_kept_and_made_again(tmp_path):
    found = cv.intervene(known.net_c(), FOUR[:2], {"conv2:0": "scale(2)"}, 0)
    kept = cv.load(cv.save(found, tmp_path / "found.npz"))
    np.testing.assert_array_equal(kept.after, found.after)
    again = cv.rerun(kept.provenance, known.net_c(), FOUR[:2])
    np.testing.assert_array_equal(again.scores_after, found.scores_after)
    assert again.edits == ("conv2:0=scale(2)",)


def test_what_no_score_depends_on_is_said():
    with pytest.warns(CnnvizWarning, match="no score changed by conv2=scale"):
        cv.intervene(known.net_c(), FOUR[:2], {"conv2": "scale(1)"}, 0)


@pytest.mark.parametrize(
    ("edits", "options", "error", "text"),
    [
        ({}, {}, UsageError, "edits are a mapping from places to changes"),
        ({"conv9": "zero"}, {}, LayerNotFoundError, "no layer 'conv9'"),
        ({"con*v": "zero"}, {}, LayerNotFoundError, r"no layer 'con\*v'"),
        ({"conv2:2": "zero"}, {}, UsageError, "layer 'conv2' has channels 0 to 1, got 2"),
        ({"conv2:": "zero"}, {}, UsageError, "a place is LAYER, LAYER:CHANNELS"),
        (
            {"conv2@1,1,2x1": "zero"},
            {},
            UsageError,
            "2x1 units from row 1 and column 1 on leave layer 'conv2' of 2 x 2",
        ),
        ({"dense@0,0": "zero"}, {}, UsageError, "layer 'dense' has no rows and columns"),
        ({"conv2": "halve"}, {}, UsageError, r"the change of 'conv2' is one of zero, scale\(number\), mean, patch"),
        ({"conv2": np.zeros((3, 3))}, {}, UsageError, r"shape \(2, 2, 2\); its replacement has that shape"),
        ({"conv2": np.nan}, {}, UsageError, "values that are not finite"),
        ({"conv2": object()}, {}, UsageError, "'conv2' got a object"),
        ({"conv2": "patch"}, {}, UsageError, "give source=, one image or one for each"),
        ({"conv2": "zero"}, {"source": FOUR}, UsageError, "no edit is 'patch'"),
        ({"conv2": "patch"}, {"source": FOUR[:3]}, UsageError, "one for each of 4, got 3"),
        ({"conv2": "patch"}, {"source": FOUR[:, :3]}, ImageError, "got an array of shape"),
        ({"conv2": "zero"}, {"each": "unit"}, UsageError, "each is all, edit, channel or position"),
    ],
)
def test_what_fits_nothing_is_refused_before_any_work(edits, options, error, text):
    with pytest.raises(error, match=text):
        cv.intervene(known.net_c(), FOUR, edits, 0, **options)


@pytest.mark.parametrize(
    ("edits", "options", "words"),
    [
        ({"conv2:0": "zero"}, {}, "change of each class's score"),
        ({"conv2": "zero"}, {"each": "channel"}, "the largest first"),
        ({"conv*": "patch"}, {"each": "edit", "source": FOUR[3]}, "1 restores it"),
        ({"conv2": "patch"}, {"each": "position", "source": FOUR[3]}, "with that position alone edited"),
    ],
)
def test_every_kind_has_its_figure(edits, options, words):
    figure = cv.figure(cv.intervene(known.net_c(), FOUR[:2], edits, 0, **options), limit=3)
    assert any(words in text.get_text() for text in figure.texts)
