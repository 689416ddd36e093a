"""`cv.diff`: two networks on the same images, whatever their names, frameworks and weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax import similarity
from cnnviz_jax.compiling import compilations
from cnnviz_jax.errors import ImageError, LayerNotFoundError, ModelError, UsageError
from tests.verbs.pair_networks import ORDER, changed, network, permuted, some_images

IMAGES = some_images()
LABELS = np.arange(len(IMAGES)) % 3


@pytest.fixture(scope="module")
def pair():
    return network(), network(1)


@pytest.fixture(scope="module")
def found(pair):
    return cv.diff(*pair, IMAGES, labels=LABELS, names=[f"{k}.png" for k in range(24)], shown=3)


def pooled(model, layer):
    values = cv.capture(model, IMAGES, [layer])[layer]
    return values.mean((1, 2)) if values.ndim == 4 else values


def test_a_network_differs_in_nothing_from_itself(pair):
    same = cv.diff(pair[0], pair[0], IMAGES)
    np.testing.assert_allclose(np.diagonal(same.cka), 1, rtol=1e-6)
    assert same.layers_a == same.layers_b == ("conv1", "conv2", "fc")
    assert same.churn == 0
    assert (same.answers.divergence == 0).all()
    assert same.images.tolist() == list(range(24))
    assert np.isinf(same.moved.sqnr_db).all()
    assert same.moved.first is None
    for match in same.matches:
        np.testing.assert_array_equal(match.pairs[:, 0], match.pairs[:, 1])
        np.testing.assert_allclose(match.correlation, 1, rtol=1e-6)


def test_a_network_under_other_names_with_its_channels_in_another_order_is_recognised(pair):
    other = cv.diff(pair[0], permuted(), IMAGES)
    assert other.layers_b == ("stem", "body", "classifier")
    np.testing.assert_allclose(np.diagonal(other.cka), 1, rtol=1e-5)
    first = other.matches[0]
    assert (first.layer_a, first.layer_b) == ("conv1", "stem")
    np.testing.assert_array_equal(ORDER[first.pairs[:, 1]], first.pairs[:, 0])
    assert first.correlation.min() > 0.9999 > first.chance
    assert other.churn == 0
    assert other.moved.layers == ()  # of layers that are called otherwise it is not guessed


def test_numbers_are_those_of_the_plain_functions(pair, found):
    a, b = pair
    for row, one in enumerate(found.layers_a):
        for column, other in enumerate(found.layers_b):
            plain = similarity.cka(pooled(a, one), pooled(b, other))
            np.testing.assert_allclose(found.cka[row, column], plain, atol=1e-5)
    logits = [np.asarray(model(IMAGES)) for model in pair]
    np.testing.assert_allclose(found.answers.divergence, similarity.divergence(*logits), atol=1e-5)
    assert found.churn == similarity.churn(*logits) > 0
    assert found.images.tolist() == similarity.most_changed(found.answers.divergence).tolist()
    assert found.answers.flips == similarity.flips(*logits, LABELS)
    for mine, each in zip(found.answers.calibration, logits, strict=True):
        plain = similarity.calibration(each, LABELS)
        np.testing.assert_array_equal(mine.count, plain.count)
        np.testing.assert_allclose([mine.ece, mine.brier, mine.nll], [plain.ece, plain.brier, plain.nll], rtol=1e-4)
    match = found.matches[1]
    units = similarity.match_units(pooled(a, "conv2"), pooled(b, "conv2"))
    np.testing.assert_array_equal(match.pairs, units.pairs)
    np.testing.assert_allclose(match.correlation, units.matched, atol=1e-5)
    assert match.chance < 0.9
    values = [cv.capture(model, IMAGES, ["conv2"])["conv2"] for model in pair]
    np.testing.assert_allclose(found.moved.sqnr_db[1], similarity.change(*values).sqnr_db, rtol=1e-4)
    np.testing.assert_allclose(found.participation_a[0], similarity.participation_ratio(pooled(a, "conv1")), rtol=1e-4)


def test_the_most_changed_images_are_kept_with_what_both_networks_say(pair, found):
    answers = found.answers
    np.testing.assert_array_equal(answers.shown, IMAGES[found.images[:3]])
    assert answers.names == tuple(f"{k}.png" for k in found.images[:3])
    said = cv.predictions(pair[1], IMAGES[found.images[:1]])[0]
    np.testing.assert_array_equal(answers.top_classes[0, 1], said.classes)
    np.testing.assert_allclose(answers.top_probabilities[0, 1], said.probabilities, atol=1e-5)
    assert answers.classes == ("ant", "bee", "cow")


def test_the_effect_on_each_class_is_counted(found):
    answers = found.answers
    for k in range(3):
        own = k == LABELS
        right = [best[own] == k for best in (answers.best_a, answers.best_b)]
        expected = [own.sum(), right[0].mean(), right[1].mean(), (right[0] & ~right[1]).mean()]
        np.testing.assert_allclose(answers.per_class[k, :4], expected)
    unlabelled = np.where(LABELS == 2, -1, LABELS)
    partly = cv.diff(network(), network(1), IMAGES, labels=unlabelled).answers
    assert partly.per_class[2, 0] == 0
    assert np.isnan(partly.per_class[2, 1:]).all()


def test_batches_do_not_show(pair, found):
    options = {"labels": LABELS, "shown": 0}
    for size in (1, 7):
        other = cv.diff(*pair, IMAGES, batch=size, **options)
        np.testing.assert_array_equal(other.cka[:2, :2], found.cka[:2, :2])  # the network's own dense layer may round
        np.testing.assert_array_equal(other.matches[0].correlation, found.matches[0].correlation)
        np.testing.assert_allclose(other.cka, found.cka, atol=1e-6)
        np.testing.assert_array_equal(other.images, found.images)
        np.testing.assert_array_equal(other.matches[0].pairs, found.matches[0].pairs)


def test_minibatches_are_cut_by_the_numbers_of_images(pair):
    one, other = (cv.diff(*pair, IMAGES, form="minibatch", minibatch=8, batch=size) for size in (5, 24))
    np.testing.assert_allclose(one.cka, other.cka, atol=1e-6)
    plain = similarity.cka(pooled(pair[0], "conv1"), pooled(pair[1], "fc"), "minibatch", minibatch=8)
    np.testing.assert_allclose(one.cka[0, 2], plain, atol=1e-5)
    assert one.form == "minibatch"


def test_a_pair_compiles_one_program_and_other_weights_none(pair):
    cv.diff(*pair, IMAGES)
    before = compilations()
    cv.diff(pair[1], changed(pair[0], lambda name, leaf: 0.9 * leaf), IMAGES)
    assert compilations() == before


def test_where_a_change_begins_is_named(pair):
    model = pair[0]
    quantised = changed(model, lambda name, leaf: similarity.quantised(leaf, 3) if name == "second" else leaf)
    found = cv.diff(model, quantised, IMAGES)
    assert np.isinf(found.moved.sqnr_db[0])
    assert found.moved.first == "conv2"
    pruned = changed(model, lambda name, leaf: similarity.pruned(leaf, 0.5) if name == "first" else leaf)
    moved = cv.diff(model, pruned, IMAGES).moved
    assert dict(zip(moved.kernels, moved.kernel_newly_zero, strict=True)) == {"conv1": 0.5, "conv2": 0, "fc": 0}
    np.testing.assert_allclose(moved.kernel_error[1:], 0)


def test_a_change_acts_up_to_the_layer_behind_which_answers_are_the_first_networks(pair):
    def other_second(name, leaf):
        return pair[1].params[name] if name == "second" else leaf

    found = cv.diff(pair[0], changed(pair[0], other_second), IMAGES, swap=True)
    assert found.moved.layers == ("conv1", "conv2", "fc")
    assert found.moved.swap_churn[0] == found.churn > 0  # before the change nothing helps
    assert found.moved.swap_churn[1:].tolist() == [0, 0]
    assert [row["swap_churn"] for row in found.table()] == found.moved.swap_churn.tolist()
    assert "swap_churn" not in cv.diff(*pair, IMAGES).table()[0]
    again = cv.rerun(found.provenance, pair[0], IMAGES, b=changed(pair[0], other_second))
    np.testing.assert_array_equal(again.moved.swap_churn, found.moved.swap_churn)
    with pytest.raises(UsageError, match="they share 0 layers"):
        cv.diff(pair[0], permuted(), IMAGES, swap=True)
    with pytest.raises(UsageError, match="swap=True compares two networks"):
        cv.diff([*pair], None, IMAGES, swap=True)


def test_a_concept_that_one_network_has_alone_is_found_with_the_images_that_show_it(tmp_path):
    """Of two networks one sees red and green, the other red alone: green is what only the first one has."""
    random = np.random.default_rng(0)
    amounts = random.random((60, 2)).astype(np.float32) * (random.random((60, 2)) < 0.5)
    images = np.zeros((60, 8, 8, 3), np.float32)
    images[..., :2] = amounts[:, None, None]

    def seeing(kernel):
        def forward(params, x):
            with jax.named_scope("conv"):
                x = jax.nn.relu(jnp.einsum("nhwc,cd->nhwd", x, params["kernel"]))
            return x.mean((1, 2)) @ params["head"]

        params = {"kernel": jnp.asarray(kernel), "head": jnp.eye(2)}
        return cv.adapt(forward, params, input_shape=(8, 8, 3), name="colours")

    both, one = (
        seeing(np.array(kernel, np.float32)) for kernel in ([[1, 0], [0, 1], [0, 0]], [[1, 2], [0, 0], [0, 0]])
    )
    layer = [name for name in both.layers if both.layers[name].shape == (8, 8, 2)][-1]
    found = cv.diff(both, one, images, [layer], concepts=2)
    (concepts,) = found.concepts
    assert len(concepts.only_a) == 1
    assert concepts.only_b == ()
    np.testing.assert_allclose(concepts.own_a, 1, atol=0.05)
    (alone,) = found.alone
    assert (alone.network, alone.layer, alone.concept) == ("a", layer, concepts.only_a[0])
    assert alone.predicted < 0.5 < alone.own
    np.testing.assert_array_equal(alone.images, images[alone.ids])
    assert amounts[alone.ids, 1].min() > np.quantile(amounts[:, 1], 0.9)  # its images are the greenest
    (row,) = found.table()
    assert (row["concepts_only_a"], row["concepts_only_b"]) == (1, 0)
    assert cv.diff(both, both, images, [layer], concepts=2).alone == ()
    again = cv.rerun(found.provenance, both, images, b=one)
    np.testing.assert_array_equal(again.concepts[0].predicted_a, concepts.predicted_a)
    cv.save(found, tmp_path / "found.npz")
    np.testing.assert_array_equal(cv.load(tmp_path / "found.npz").alone[0].images, alone.images)


def test_concepts_need_two_networks_and_ten_images(pair):
    with pytest.raises(UsageError, match="concepts are predicted over 10 images and more, got 6 that can be used"):
        cv.diff(*pair, IMAGES[:6], concepts=3)
    with pytest.raises(UsageError, match="concepts= compares two networks"):
        cv.diff([*pair], None, IMAGES, concepts=3)
    with pytest.raises(UsageError, match="concepts is 0 or more, got -1"):
        cv.diff(*pair, IMAGES, concepts=-1)
    assert "concepts_only_a" not in cv.diff(*pair, IMAGES).table()[0]


def test_bytes_are_swapped_as_the_floats_that_they_stand_for(pair):
    as_bytes = np.round(IMAGES * 255).astype(np.uint8)
    of_bytes, of_floats = (cv.diff(*pair, each, swap=True).moved for each in (as_bytes, as_bytes / np.float32(255)))
    np.testing.assert_array_equal(of_bytes.swap_churn, of_floats.swap_churn)


def test_networks_of_two_frameworks_are_compared(pair):
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.relu(linen.Conv(5, (3, 3), name="entry")(x))
            return linen.Dense(3, name="out")(x.mean((1, 2)))

    module = Net()
    other = cv.adapt(module, module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3))), input_shape=(8, 8, 3))
    found = cv.diff(pair[0], other, IMAGES, (["conv1", "conv2"], ["entry"]))
    assert found.cka.shape == (2, 1)
    assert found.matches[0].pairs.shape == (5, 2)
    assert {match.layer_b for match in found.matches} == {"entry"}


def test_networks_of_other_sizes_get_files_at_their_own(pair, tmp_path):
    for k, image in enumerate(some_images(5)):
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / f"{k}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    larger = pair[0].at_size(10, 12)
    found = cv.diff(pair[0], larger, str(tmp_path))
    assert found.image_count == 5
    assert any("1 images could not be read, such as broken.png" in text for text in found.warnings)
    assert found.answers.divergence.shape == (6,)
    assert np.isnan(found.answers.divergence).sum() == 1
    assert len(found.images) == 5
    with pytest.raises(UsageError, match=r"one takes images \(8, 8, 3\) and one \(10, 12, 3\); give a folder"):
        cv.diff(pair[0], larger, IMAGES)


def test_an_image_that_makes_values_not_finite_is_left_out_and_told(pair):
    broken = np.array(IMAGES)
    broken[4] = np.nan
    found = cv.diff(*pair, broken)
    assert found.image_count == 23
    assert 4 not in found.images
    assert "1 images are left out: values that are not finite, or far beyond all others" in found.warnings
    kept = cv.diff(*pair, np.delete(IMAGES, 4, 0))
    np.testing.assert_allclose(found.cka, kept.cka, atol=1e-6)


def test_networks_of_other_classes_are_compared_by_their_layers_alone(pair, tmp_path):
    params = dict(pair[0].params, head=jnp.ones((4, 5)))
    from tests.verbs.pair_networks import forward

    other = cv.adapt(forward, params, input_shape=(8, 8, 3), name="five")
    found = cv.diff(pair[0], other, IMAGES)
    assert found.answers is None
    assert np.isnan(found.churn)
    assert found.images.tolist() == []
    assert "predictions are not compared: one scores 3 classes and five 5" in found.warnings
    cv.render(found, tmp_path / "found.png")


def test_a_layer_that_never_changes_has_no_cka_and_is_named(pair, tmp_path):
    still = changed(pair[0], lambda name, leaf: 0 * leaf if name == "second" else leaf)
    found = cv.diff(pair[0], still, IMAGES)
    assert np.isnan(found.cka[:, 1]).all()
    assert any("conv2 of one, fc of one" in text for text in found.warnings)
    assert found.matches[1].dead_b == (0, 1, 2, 3)
    cv.render(found, tmp_path / "found.png")


def test_layers_too_wide_for_sums_are_averaged_over_minibatches_and_it_is_said(pair, monkeypatch):
    monkeypatch.setattr("cnnviz_jax.verbs.diff_networks._WIDEST", 5)
    found = cv.diff(*pair, IMAGES)
    assert found.form == "minibatch"
    assert "CKA is averaged over minibatches of 256 images: a layer has 6 channels" in found.warnings
    assert cv.diff(*pair, IMAGES, ["conv2"]).form == "debiased"


def test_what_cannot_be_compared_is_refused_in_a_sentence(pair):
    a, b = pair
    refusals = [
        (lambda: cv.diff(a, "b", IMAGES), ModelError, "model is a cv.Model, got str"),
        (lambda: cv.diff("a", b, IMAGES), ModelError, "a is a cv.Model, a list of them or a cv.Recorder, got str"),
        (lambda: cv.diff(a, b, IMAGES, "conv1"), UsageError, r"write \['conv1'\]"),
        (lambda: cv.diff(a, b, IMAGES, ["conv9"]), LayerNotFoundError, "no layer 'conv9' in one"),
        (lambda: cv.diff(a, permuted(), IMAGES, ["conv1"]), LayerNotFoundError, r"layers=\(\[...\], \[...\]\)"),
        (lambda: cv.diff(a, b, IMAGES, []), UsageError, "layers names none"),
        (lambda: cv.diff(a, b, IMAGES[:3]), UsageError, "over 4 images and more, got 3"),
        (lambda: cv.diff(a, b, IMAGES[..., :2]), ImageError, "a survey takes images"),
        (lambda: cv.diff(a, b, IMAGES, labels=LABELS + 1), UsageError, "labels are one of 3 classes, got 3"),
        (lambda: cv.diff(a, b, IMAGES, form="exact"), UsageError, 'form is "auto", "debiased"'),
        (lambda: cv.diff(a, b, IMAGES, minibatch=2), UsageError, "minibatch is 4 or more, got 2"),
    ]
    for call, kind, text in refusals:
        with pytest.raises(kind, match=text):
            call()
