"""`cv.learn_dictionary`: what every technique of the kind keeps to, and what a planted dictionary shows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import cnnviz_jax as cv
from cnnviz_jax.errors import ImageError, LayerNotFoundError, UnknownNameError, UsageError
from cnnviz_plugins.dictionary.activations import topk_codes
from cnnviz_plugins.dictionary.objectives import Objective
from cnnviz_plugins.dictionary.plugin import TopkConfig

from .colours import features, images, model
from .waves import DIRECTIONS, MEAN, PRE, ROWS

NAMES = ("archetypal", "batch-topk", "convex-nmf", "jump-relu", "matching-pursuit", "nmf", "semi-nmf", "topk")


def planted(rows, atoms, channels, active, seed=0):
    """Return rows that are sums of few of some unit directions, and those directions."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(atoms, channels))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    codes = np.zeros((rows, atoms))
    chosen = random.random((rows, atoms)).argsort(1)[:, :active]
    np.put_along_axis(codes, chosen, random.uniform(0.5, 1.5, (rows, active)), 1)
    noise = 0.01 * random.normal(size=(rows, channels))
    return (codes @ directions + noise).astype(np.float32), directions


def matched(found, wanted):
    cosines = (found / np.linalg.norm(found, axis=1, keepdims=True)) @ wanted.T
    return float(cosines[linear_sum_assignment(-cosines)].mean())


def test_the_techniques_of_the_kind_are_these():
    assert set(NAMES) <= set(cv.technique_names("dictionary"))


@pytest.mark.parametrize("name", NAMES)
def test_every_technique_gives_directions_codes_and_measures(name):
    made = features(name)
    assert made.directions.shape == (12, 6)
    assert len(made) == 12
    values = cv.capture(model(), images(), ["active"])["active"]
    codes = made.encode(values)
    assert codes.shape == (*values.shape[:-1], 12)
    assert codes.min() >= 0
    rebuilt = made.decode(codes)
    assert rebuilt.shape == values.shape
    measures = made.metrics
    assert measures["fvu"] == pytest.approx(1 - measures["r2"])
    assert 0 <= measures["dead"] <= 1
    assert 0 <= measures["agreement"] <= 1
    assert made.density.shape == (12,)
    assert measures["dead"] == pytest.approx((made.density == 0).mean())
    assert len(made.curves["step"]) == len(made.curves["loss"])
    assert made.curves["loss"][-1] < made.curves["loss"][0]


@pytest.mark.parametrize("name", NAMES)
def test_every_dictionary_is_stored_and_drawn(name, tmp_path):
    made = features(name)
    kept = cv.load(cv.save(made, tmp_path / "features.npz"))
    np.testing.assert_array_equal(kept.directions, made.directions)
    rows = cv.capture(model(), images()[:2], ["active"])["active"]
    np.testing.assert_array_equal(kept.encode(rows), made.encode(rows))
    assert kept.metrics == made.metrics
    assert kept.provenance == made.provenance
    assert name in cv.figure(made).texts[0].get_text()


def test_measures_are_those_of_a_loop_over_rows_held_out():
    random = np.random.default_rng(2)
    rows = random.normal(size=(200, 4)).astype(np.float32)
    made = cv.learn_dictionary("topk", rows, size=8, k=2, steps=30, batch_rows=32, held_out=0.2, key=3, progress=False)
    assert (made.row_count, made.held_out_count) == (160, 40)
    # The rows that were held out are those that the same key draws again for another technique.
    other = cv.learn_dictionary("semi-nmf", rows, size=8, held_out=0.2, key=3, iterations=2, progress=False)
    assert other.metrics["pca_r2"] != made.metrics["pca_r2"]  # at another rank
    codes = made.encode(rows)
    assert ((codes > 0).sum(1) <= 2).all()
    best = np.argsort(-made.pre(rows), axis=1, kind="stable")[:, :2]
    for row, (code, places) in enumerate(zip(codes, best, strict=True)):
        wanted = np.zeros(8)
        wanted[places] = np.maximum(made.pre(rows)[row, places], 0)
        np.testing.assert_allclose(code, wanted, atol=1e-5)


def test_directions_of_an_autoencoder_have_length_one_and_its_units_are_the_layers_own():
    """Rows a hundred times as large have the same directions, and codes a hundred times as large."""
    rows, _ = planted(600, 12, 6, 2)
    options = {"size": 12, "k": 2, "steps": 40, "batch_rows": 64, "progress": False}
    made = cv.learn_dictionary("topk", rows, **options)
    large = cv.learn_dictionary("topk", 128 * rows, **options)
    np.testing.assert_allclose(np.linalg.norm(made.directions, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(large.directions, made.directions, atol=1e-3)
    np.testing.assert_allclose(large.encode(128 * rows) / 128, made.encode(rows), atol=2e-2)


def test_archetypes_lie_within_delta_of_mixtures_of_rows():
    rows = np.abs(planted(400, 12, 6, 2)[0])
    made = cv.learn_dictionary("archetypal", rows, size=8, k=2, steps=40, batch_rows=64, delta=0.0, progress=False)
    # With delta 0 a feature is a mixture of rows times one number for all: never negative here.
    assert made.directions.min() >= -1e-5


def test_the_same_key_gives_the_same_bits_whatever_the_batch_and_another_key_others():
    one = features("topk")
    again = cv.rerun(one.provenance, model(), images())
    np.testing.assert_array_equal(again.directions, one.directions)
    again = features("topk", batch=5)
    np.testing.assert_array_equal(again.directions, one.directions)
    other = features("topk", key=1)
    assert not np.array_equal(other.directions, one.directions)


def test_the_threshold_of_batch_topk_gives_as_many_features_to_rows_alone():
    rows, _ = planted(3000, 16, 12, 2)
    options = {"size": 16, "k": 2, "steps": 200, "batch_rows": 128, "rate": 1e-2, "progress": False}
    made = cv.learn_dictionary("batch-topk", rows, **options)
    assert made.metrics["l0"] == pytest.approx(2, abs=0.2)
    counts = (made.encode(rows) > 0).sum(1)
    assert counts.min() < 2 < counts.max()


def test_seeds_tell_how_stable_features_are():
    made = features("topk", seeds=2)
    assert len(made.repeats) == 1
    assert 0 < made.metrics["stability"] < 1
    np.testing.assert_array_equal(made.directions, features("topk").directions)


def test_a_training_that_was_stopped_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    from cnnviz_plugins.dictionary import training

    monkeypatch.setattr(training, "_BYTES_AT_ONCE", 48 * 6 * 4 * 25)  # 25 steps a call

    def stopping(done, total, what):
        if what == "steps" and done >= 40:
            raise KeyboardInterrupt

    options = {"layer": "active", "size": 12, "key": 0, "steps": 60, "batch_rows": 48, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        cv.learn_dictionary("topk", model(), images(), progress=stopping, **options)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    with pytest.raises(UsageError, match="is the state of another training; name another folder or remove it"):
        cv.learn_dictionary("topk", model(), images(), progress=False, **{**options, "steps": 61})
    begun = []
    made = cv.learn_dictionary("topk", model(), images(), progress=lambda d, t, w: begun.append((w, d)), **options)
    assert [done for what, done in begun if what == "steps"] == [60]
    whole = cv.learn_dictionary("topk", model(), images(), progress=False, **{**options, "folder": None})
    np.testing.assert_array_equal(made.directions, whole.directions)
    np.testing.assert_array_equal(made.curves["loss"], whole.curves["loss"])
    assert list(tmp_path.iterdir()) == []


def test_planted_directions_are_found():
    rows, wanted = planted(8000, 32, 24, 3)
    options = {"batch_rows": 512, "dead_after": 5000, "rate": 2e-2, "warmup": 20, "progress": False}
    made = cv.learn_dictionary("topk", rows, size=32, k=3, steps=1000, **options)
    assert matched(made.directions, wanted) > 0.95
    assert made.metrics["r2"] > max(0.9, made.metrics["pca_r2"])
    assert made.metrics["l0"] == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("dead", "learns"), [("auxk", True), ("none", False)])
def test_a_dead_feature_learns_from_what_the_others_leave(dead, learns):
    config = TopkConfig(size=6, k=1, dead=dead)
    parameters = {
        "directions": jnp.asarray(DIRECTIONS, jnp.float32),
        "encoder": jnp.asarray(DIRECTIONS, jnp.float32),
        "bias": jnp.zeros(6).at[0].set(-2.0),
        "offset": jnp.asarray(MEAN, jnp.float32),
    }
    is_dead = jnp.arange(6) == 1
    rows = jnp.asarray(ROWS, jnp.float32)
    objective = Objective(config=config, channels=4)

    def loss(parameters):
        return objective.loss(parameters, {"spread": jnp.float32(1)}, rows[:1], is_dead, jnp.float32(0))[0]

    codes = topk_codes((rows[:1] - parameters["offset"]) @ parameters["encoder"].T + parameters["bias"], 1)
    assert float(codes[0, 1]) == 0  # it does not fire here
    assert float(PRE[0, 1]) > 0  # but it could
    slope = jax.grad(loss)(parameters)["directions"][1]
    assert bool(jnp.abs(slope).max() > 0) is learns


def test_what_a_dictionary_costs_is_warned_of():
    rows = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    made = cv.learn_dictionary("topk", rows, size=64, k=1, steps=2, batch_rows=16, rate=1.0, warmup=0, progress=False)
    assert any("as many principal directions" in text for text in made.warnings)
    assert any("64 features were learned from 54 rows" in text for text in made.warnings)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"technique": "top-k"}, UnknownNameError, "no dictionary technique 'top-k'. Did you mean 'topk'?"),
        ({"layer": "activ"}, LayerNotFoundError, "no layer 'activ' in colours. Did you mean 'active'?"),
        ({"size": 4, "k": 9}, UsageError, "9 features of a row in a dictionary of 4; k is at most the size"),
        ({"held_out": 1.0}, UsageError, "held_out lies between 0 and 1 and seeds is 1 or more, got 1.0 and 1"),
        ({"images": None}, UsageError, "images is missing: a dictionary is learned from what a layer makes of images"),
        ({"images": np.zeros((2, 3, 3, 3), np.float32)}, ImageError, "a survey takes images"),
        ({"positions": 0}, UsageError, "positions is 1 or more and margin 0 or more, got 0 and 1"),
        ({"technique": "nmf", "layer": "conv"}, UsageError, "nmf takes activations that are never negative"),
        ({"model": np.zeros((3, 2, 2))}, UsageError, "activations are given in place of a model, so images has no use"),
        ({"model": np.zeros((3, 2, 2)), "images": None}, UsageError, "activations are numbers (rows, channels)"),
        ({"model": np.full((3, 2), np.nan), "images": None}, UsageError, "activations are finite; 3 rows are not"),
        ({"model": np.zeros((1, 2)), "images": None}, UsageError, "1 images or rows are too few"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(change, error, words):
    given = {"technique": "topk", "model": model(), "images": images(), "layer": "active", "size": 12, **change}
    with pytest.raises(error) as found:
        cv.learn_dictionary(**given, progress=False)
    assert words in str(found.value)


def test_encode_takes_the_layers_channels_only():
    with pytest.raises(UsageError, match=r"encode takes numbers \(\.\.\., 6\), got float32 \(3, 5\)"):
        features().encode(np.zeros((3, 5), np.float32))
    assert features().encode(jnp.zeros((0, 6))).shape == (0, 12)
