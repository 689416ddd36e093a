"""TCAV: a planted concept is found, its classifier and its test equal SciPy's, and its maps sum to its derivative."""

import numpy as np
import pytest
from scipy import optimize, stats

import cnnviz_jax as cv
from cnnviz_jax.engine import compilations
from cnnviz_jax.errors import TargetError, UsageError
from cnnviz_plugins.explain.concepts.tcav import direction, t_test
from tests.explain.concepts.colour_dataset import dataset, model

OPTIONS = {"examined": "4", "random": "3", "layer": "active", "runs": 24}


@pytest.fixture(scope="module")
def scores():
    return cv.survey("tcav", model(), *dataset(), **OPTIONS, target=0)


def test_the_class_rises_towards_what_it_wants_and_falls_away_from_what_it_does_not(scores):
    assert scores.concepts == ("class 0", "class 1", "class 2")
    red, green, _ = scores.score
    np.testing.assert_array_equal(red, 1)  # every image, whatever the random set
    np.testing.assert_array_equal(green, 0)
    assert scores.significant[:2].all()
    assert scores.accuracy.mean() > 0.95
    assert set(scores.random_score) == {0, 1}  # one gradient for all images: a random direction is for all or none
    assert 0.2 < scores.random_score.mean() < 0.8


def test_the_score_hardly_changes_towards_a_colour_that_the_class_ignores(scores):
    """Its sign is chance, and that of these very images: the test against random sets does not know of it."""
    red, green, blue = np.abs(scores.derivative).mean(1)
    assert blue < 0.1 * min(red, green)


def test_scores_are_drawn_shown_in_notebooks_and_stored(scores, tmp_path):
    assert cv.figure(scores).axes[0].get_title() == f"{scores.target} at {scores.layer}"
    assert scores._repr_html_().startswith("<div")
    kept = cv.load(cv.save(scores, tmp_path / "scores.npz"))
    np.testing.assert_array_equal(kept.vectors, scores.vectors)


def test_a_direction_has_length_one_and_points_at_its_colour(scores):
    assert scores.vectors.shape == (3, 8, 8, 3)
    np.testing.assert_allclose(np.linalg.norm(scores.vectors.reshape(3, -1), axis=1), 1, rtol=1e-5)
    for channel in range(3):
        assert scores.vectors[channel].sum((0, 1)).argmax() == channel


def test_the_derivative_is_the_heads_weights_along_the_direction(scores):
    """The layer's mean goes into a linear head: the gradient at every place is the weight over the number of places."""
    gradient = np.array([4.0, -3.0, 0.0]) / 64
    np.testing.assert_allclose(
        scores.derivative, np.tile((scores.vectors @ gradient).sum((1, 2))[:, None], 10), rtol=1e-4
    )


def test_maps_of_a_concept_sum_to_the_derivative(scores, tmp_path):
    bank = str(cv.render(scores, tmp_path / "bank.npz"))
    images, labels = dataset()
    result = cv.explain("concept-maps", model(), images[labels == 4][:3], 0, bank=bank)
    assert result.view == "maps"
    assert dict(result.provenance.notes)["concepts"] == scores.concepts
    np.testing.assert_allclose(result.values.sum((1, 2)), scores.derivative.T[:3], rtol=1e-4)
    one = cv.explain("concept-maps", model(), images[labels == 4][:3], 0, bank=bank, concept=1)
    np.testing.assert_allclose(one.low_res, result.values[..., 1], rtol=1e-5)
    assert one.values.shape == (3, 8, 8)


def test_means_over_places_give_a_direction_of_channels(tmp_path):
    pooled = cv.survey("tcav", model(), *dataset(), **OPTIONS, target=0, pool="mean")
    assert pooled.vectors.shape == (3, 3)
    np.testing.assert_array_equal(pooled.score[:2].mean(1), [1, 0])
    bank = str(cv.render(pooled, tmp_path / "bank.npz"))
    images, labels = dataset()
    maps = cv.explain("concept-maps", model(), images[labels == 4][:2], 0, bank=bank).values
    np.testing.assert_allclose(maps.sum((1, 2)), pooled.derivative.T[:2], rtol=1e-4)


def test_the_seed_decides_and_batch_and_order_do_not(scores):
    images, labels = dataset()
    again = cv.survey("tcav", model(), images, labels, **OPTIONS, target=0, batch=5)
    np.testing.assert_allclose(again.vectors, scores.vectors, atol=1e-6)
    np.testing.assert_array_equal(again.score, scores.score)
    other = cv.survey("tcav", model(), images, labels, **OPTIONS, target=0, seed=1)
    assert not np.allclose(other.vectors, scores.vectors, atol=1e-4)


def test_another_class_compiles_nothing_more(scores):
    before = compilations()
    other = cv.survey("tcav", model(), *dataset(), **OPTIONS, target=1)
    assert compilations() == before
    np.testing.assert_array_equal(other.score[2], 1)  # class 1 wants blue


def test_labels_can_be_given_names():
    words = ("red", "green", "blue", "noise", "asked")
    options = {"layer": "active", "runs": 2, "random": "noise", "examined": "asked", "label_names": words}
    assert cv.survey("tcav", model(), *dataset(), **options).concepts == ("red", "green", "blue")


def test_scores_are_drawn(scores, tmp_path):
    assert cv.render(scores, tmp_path / "tcav.svg").read_text().count("class 1") >= 1


def test_the_classifier_is_the_minimum_of_its_loss():
    drawn = np.random.default_rng(0)
    rows, first = drawn.normal(size=(30, 50)), np.arange(30) < 12
    rows[first, 0] += 1
    weights, constant = direction(rows, first, 0.05)
    sign = np.where(first, 1, -1)

    def loss(both):
        return np.log1p(np.exp(-sign * (rows @ both[:-1] + both[-1]))).mean() + 0.025 * (both**2).sum()

    best = optimize.minimize(loss, np.zeros(51), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose([*weights, constant], best.x, atol=1e-5)


def test_the_t_test_is_students():
    drawn = np.random.default_rng(1)
    first, second = drawn.normal(0.2, 1, 12), drawn.normal(size=20)
    assert t_test(first, second) == pytest.approx(stats.ttest_ind(first, second).pvalue, rel=1e-9)
    assert t_test(np.ones(5), np.ones(5)) == 1
    assert t_test(np.ones(5), np.zeros(5)) == 0


def test_images_that_show_nothing_in_particular_make_no_concept():
    """Random images under a concept's name: no accuracy, no significance, and the result says so."""
    images, labels = dataset()
    fake = np.where(np.arange(len(labels)) % 3 == 0, 0, labels)[labels == 3]
    result = cv.survey("tcav", model(), np.concatenate([images[labels == 3], images[labels == 4]]),
                       np.concatenate([fake, labels[labels == 4]]), **OPTIONS, target=0)  # fmt: skip
    assert result.accuracy.mean() < 0.75
    assert not result.significant.any()
    assert any("hardly tells class 0 from random" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"random": "nothing"}, r"no image is labelled 'nothing' \(random\); the labels are class 0, .*class 4"),
        ({"runs": 1}, "runs is at least 2, got 1; a t-test needs a spread"),
        ({"penalty": 0.0}, "penalty is positive"),
        ({"image_count": 8}, "too few images of"),
    ],
)
def test_says_what_is_wrong(options, text):
    with pytest.raises(UsageError, match=text):
        cv.survey("tcav", model(), *dataset(), **{**OPTIONS, **options})


def test_says_that_labels_and_concepts_are_needed():
    images, labels = dataset()
    with pytest.raises(UsageError, match="tcav needs labels that say what each image shows"):
        cv.survey("tcav", model(), images, **OPTIONS)
    some = labels >= 3
    with pytest.raises(UsageError, match="every image is labelled '4' or '3'; concepts need some"):
        cv.survey("tcav", model(), images[some], labels[some], **OPTIONS)
    with pytest.raises(TargetError, match="class"):
        cv.survey("tcav", model(), images, labels, **OPTIONS, target=7)
