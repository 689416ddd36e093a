"""Features as units: codes as a layer of the model, and a feature as a target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import LayerKindError, TargetError

from .colours import SIZE, features, images, model, model_nchw

CODES = "active.dictionary"


def wider():
    return model().with_dictionary(features())


def test_a_dictionary_adds_two_layers_behind_its_own():
    names = list(wider().layers)
    assert names == ["conv", "active", CODES, f"{CODES}.pre", *names[4:]]
    layer = wider().layers["active/dictionary"]
    assert (layer.kind, layer.shape, layer.channels) == ("dictionary", (SIZE, SIZE, 12), 12)
    assert layer.receptive_field == model().layers["active"].receptive_field
    assert CODES not in model().layers


def test_scores_stay_the_same_bit_by_bit_and_so_do_maps_of_the_image():
    np.testing.assert_array_equal(wider()(images()), model()(images()))
    np.testing.assert_array_equal(
        cv.explain("saliency", wider(), images()[:2]).values, cv.explain("saliency", model(), images()[:2]).values
    )


def test_codes_are_those_of_encode_at_every_position():
    values = cv.capture(wider(), images()[:3], ["active", CODES, f"{CODES}.pre"])
    np.testing.assert_allclose(values[CODES], features().encode(values["active"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values[f"{CODES}.pre"], features().pre(values["active"]), rtol=1e-4, atol=1e-5)


def test_codes_are_the_same_whatever_the_models_own_layout():
    other = model_nchw().with_dictionary(features())
    np.testing.assert_allclose(
        cv.capture(other, images()[:2], [CODES])[CODES], cv.capture(wider(), images()[:2], [CODES])[CODES], atol=1e-5
    )


def score(image, **changes):
    return wider().run(image, **changes)[0]


def test_a_change_of_codes_moves_the_layer_by_what_it_adds():
    image = jnp.asarray(images()[0])
    delta = jnp.zeros((SIZE, SIZE, 12)).at[2, 3, 5].set(0.7)
    by_hand = jnp.zeros((SIZE, SIZE, 6)).at[2, 3].set(0.7 * features().directions[5])
    found, values = wider().run(image, read=(CODES,), add={CODES: delta})
    np.testing.assert_allclose(found, score(image, add={"active": by_hand}), rtol=1e-5)
    np.testing.assert_allclose(values[CODES] - wider().run(image, read=(CODES,))[1][CODES], delta, atol=1e-6)
    moved = score(image, replace={CODES: lambda codes: codes + delta})
    np.testing.assert_allclose(moved, found, rtol=1e-5)


def test_what_the_features_leave_stays_when_all_of_them_are_taken_away():
    image = jnp.asarray(images()[0])
    value = wider().run(image, read=("active",))[1]["active"]
    left = value - (features().decode(features().encode(value)) - features().codec.offset)
    np.testing.assert_allclose(
        score(image, replace={CODES: jnp.zeros((SIZE, SIZE, 12))}),
        score(image, replace={"active": jnp.asarray(left)}),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_a_change_of_the_layer_and_of_its_codes_act_one_after_the_other():
    image = jnp.asarray(images()[0])
    value = jnp.asarray(np.random.default_rng(0).uniform(size=(SIZE, SIZE, 6)), jnp.float32)
    none = jnp.zeros((SIZE, SIZE, 12))
    fixed = score(image, replace={"active": value, CODES: none})
    made = score(image, replace={"active": lambda old: value, CODES: lambda codes: codes * 0})
    codes = features().encode(value)
    by_hand = score(image, replace={"active": value - (features().decode(codes) - features().codec.offset)})
    np.testing.assert_allclose(fixed, by_hand, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made, by_hand, rtol=1e-4, atol=1e-5)


def test_the_gradient_at_a_code_is_the_directions_share_of_the_layers():
    image, target = jnp.asarray(images()[0]), cv.targets.class_score(1)

    def by(layer, channels):
        zeros = jnp.zeros((SIZE, SIZE, channels))
        return jax.grad(lambda delta: wider().score(image, target, add={layer: delta})[0])(zeros)

    np.testing.assert_allclose(by(CODES, 12), by("active", 6) @ features().directions.T, atol=1e-6)


def test_codes_the_offset_and_what_is_left_make_up_the_score_of_a_linear_head():
    """Codes times their gradients, the offset's share and that of the error node: together the score."""
    image, target = jnp.asarray(images()[0]), cv.targets.class_score(1)
    zeros = jnp.zeros((SIZE, SIZE, 6))
    slope = jax.grad(lambda delta: model().score(image, target, add={"active": delta})[0])(zeros)
    value = model().run(image, read=("active",))[1]["active"]
    codes = features().encode(value)
    shares = (codes * (slope @ features().directions.T)).sum()
    offset = (slope * features().codec.offset).sum()
    error = (slope * (value - features().decode(codes))).sum()
    np.testing.assert_allclose(shares + offset + error, model().score(image, target)[0], rtol=1e-5)


def test_surveys_and_maps_take_features_as_units():
    seen = cv.survey("exemplars", wider(), images(), layer=CODES, k=3)
    codes = cv.capture(wider(), images(), [CODES])[CODES]
    np.testing.assert_allclose(seen.value[:, 0], codes.max((0, 1, 2)), rtol=1e-5, atol=1e-6)
    heat = cv.explain("grad-cam", wider(), images()[:1], layer=CODES)
    assert heat.values.shape == (1, SIZE, SIZE)


def test_occlusion_lowers_a_feature_where_it_sees():
    target = cv.targets.channel(CODES, int(features().density.argmax()))
    heat = cv.explain("occlusion", wider(), images()[:1], target=target, window=4, stride=4)
    assert np.isfinite(heat.values).all()
    assert heat.values.any()


@pytest.mark.parametrize("name", ["topk", "matching-pursuit", "archetypal", "semi-nmf"])
def test_a_feature_as_a_target_scores_what_its_code_is_chosen_from(name):
    made = features(name)
    values = cv.capture(model(), images()[:2], ["active"])["active"]
    heat = cv.explain("saliency", model(), images()[:2], target=cv.targets.feature(made, [3, 7]))
    wanted = made.pre(values).mean((1, 2))[[0, 1], [3, 7]]
    np.testing.assert_allclose(heat.scores, wanted, rtol=1e-4, atol=1e-5)
    assert heat.provenance.targets == ("active feature 3", "active feature 7")


def test_a_feature_can_be_synthesised_from_its_target_and_as_a_channel():
    made = cv.synthesize("activation-maximization", model(), target=cv.targets.feature(features(), 3), steps=8)
    first = cv.targets.feature(features(), 3)
    start = float(
        first.score(None, {"active": model().run(jnp.full((SIZE, SIZE, 3), 0.5), read=("active",))[1]["active"]})
    )
    assert made.activation[0] > start
    there = cv.synthesize("activation-maximization", wider(), target=cv.targets.channel(f"{CODES}.pre", 3), steps=8)
    assert np.isfinite(there.activation).all()


def test_a_feature_is_stored_in_a_provenance_and_run_again(tmp_path):
    heat = cv.explain("saliency", model(), images()[:1], target=cv.targets.feature(features(), 3))
    kept = cv.load(cv.save(heat, tmp_path / "heat.npz"))
    again = cv.rerun(kept.provenance, model(), images()[:1])
    np.testing.assert_array_equal(again.values, heat.values)


def test_dictionaries_of_one_shape_share_their_programs():
    from cnnviz_jax.compiling import compilations

    first, second = (model().with_dictionary(features("topk", key=key)) for key in (0, 1))
    cv.capture(first, images()[:2], [CODES])
    before = compilations()
    cv.capture(second, images()[:2], [CODES])
    assert compilations() == before


def test_what_does_not_fit_is_refused():
    rows = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    other = cv.learn_dictionary("topk", rows, size=8, k=1, steps=2, batch_rows=8, progress=False)
    with pytest.raises(LayerKindError, match="the dictionary has 5 channels, layer 'active' of colours 6"):
        model().with_dictionary(other, layer="active")
    with pytest.raises(LayerKindError, match=r"colours has a layer 'active\.dictionary' already"):
        wider().with_dictionary(features())
    assert wider().with_dictionary(features(), "again").layers["again"].channels == 12
    with pytest.raises(TargetError, match="this dictionary was learned from rows; say layer="):
        cv.targets.feature(other, 0)
    with pytest.raises(TargetError, match="feature 12 is out of range: the dictionary has features 0 to 11"):
        cv.targets.feature(features(), 12)
    with pytest.raises(TargetError, match="the dictionary has 5 channels, layer 'active' of colours 6"):
        cv.explain("saliency", model(), images()[:1], target=cv.targets.feature(other, 0, layer="active"))
    with pytest.raises(LayerKindError, match=r"layer 'active\.dictionary\.pre' is only read"):
        wider().run(jnp.asarray(images()[0]), add={f"{CODES}.pre": jnp.float32(1.0)})
