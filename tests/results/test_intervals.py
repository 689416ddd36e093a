"""Intervals of means over images, and what cannot be told apart."""

import dataclasses

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.results.intervals import RESAMPLES, interval, is_apart, places, resampled_means
from tests.explain.small_network import model, some_images


def test_resampled_means_are_a_plain_loop_over_the_same_images():
    values = np.random.default_rng(1).normal(size=(2, 9))
    values[1, 3] = np.nan
    picked = np.random.default_rng(0).integers(0, 9, (RESAMPLES, 9))
    found = resampled_means(values)
    for sample in (0, 7, 1999):
        np.testing.assert_allclose(found[:, sample], np.nanmean(values[:, picked[sample]], axis=1))


def test_the_interval_is_that_of_the_normal_approximation_for_many_images():
    values = np.random.default_rng(2).normal(size=(1, 400))
    low, high = interval(resampled_means(values)[0])
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.01)
    assert interval(np.array([np.nan])) is None
    assert np.isnan(resampled_means(np.full((1, 3), np.nan))).all()


def test_a_small_difference_in_every_image_tells_apart_what_overlaps():
    random = np.random.default_rng(3)
    hard = random.normal(size=40)  # images differ much more than techniques do
    one, other = hard + 0.1 + 0.02 * random.normal(size=40), hard
    (low, _), (_, high) = (interval(resampled_means(each[None])[0]) for each in (one, other))
    assert low < high
    assert is_apart(one, other)
    assert not is_apart(one, hard + 0.1 + 0.02 * random.normal(size=40))
    assert not is_apart(one, one)


def test_equal_means_share_the_mean_of_their_places():
    means = np.array([[0.2], [0.1], [0.2], [np.nan]])
    np.testing.assert_array_equal(places(means)[:, 0], [2.5, 1, 2.5, np.nan])


@pytest.fixture(scope="module")
def compared():
    """Two maps that nothing tells apart, and one that is worse on every image, by a measure of the map alone."""
    result = cv.compare(model(), some_images(6), ["saliency", "input-x-gradient"], ["sparseness"])
    base = result.measurements["saliency"]["sparseness"]
    spread = np.linspace(-0.2, 0.2, 6, dtype=np.float32)
    wobble = np.array([1, -1, 1, -1, 1, -1], np.float32) * 0.01

    def of(values):
        return {"sparseness": dataclasses.replace(base, values=values)}

    made = {"a": of(0.5 + spread), "b": of(0.5 + spread - wobble), "c": of(0.45 + spread + wobble)}
    return dataclasses.replace(
        result, techniques=("a", "b", "c"), measurements=made, elapsed_s=dict.fromkeys("abc", 0.0)
    )


def test_what_cannot_be_told_apart_from_the_best_leads_with_it(compared):
    assert set(compared.leading("sparseness")) == {"a", "b"}
    assert compared.alike("a", "b", "sparseness")
    assert not compared.alike("a", "c", "sparseness")
    rows = {row["technique"]: row for row in compared.rows()}
    assert rows["c"]["leads"] == []
    assert rows["c"]["mean place"] == 3
    low, high = rows["a"]["intervals"]["sparseness"]
    assert low < rows["a"]["sparseness"] < high
    assert rows["c"]["intervals"]["mean place"] == [3, 3]
    low, high = rows["a"]["intervals"]["mean place"]
    assert (low, high) == (1, 2)


def test_one_image_and_one_number_of_all_images_have_no_interval(compared):
    alone = cv.compare(model(), some_images(1), ["saliency"], ["sparseness"])
    assert alone.intervals("sparseness") == {}
    assert alone.rows()[0]["intervals"] == {}
    assert alone.rows()[0]["leads"] == ["sparseness"]
    pooled = {
        name: {"sparseness": dataclasses.replace(by["sparseness"], pooled=True)}
        for name, by in compared.measurements.items()
    }
    assert dataclasses.replace(compared, measurements=pooled).intervals("sparseness") == {}


def test_a_technique_whose_measure_is_undefined_has_no_place_by_it(compared):
    gone = dataclasses.replace(compared.measurements["a"]["sparseness"], values=np.full(6, np.nan, np.float32))
    changed = dataclasses.replace(compared, measurements={**compared.measurements, "a": {"sparseness": gone}})
    assert set(changed.ranks("sparseness")) == {"b", "c"}
    assert changed.ranking == ("b", "c", "a")
    assert changed.rows()[2]["mean place"] is None
    assert cv.figure(changed) is not None


def test_the_figure_and_the_same_numbers_again(compared):
    assert compared.rows() == compared.rows()
    assert cv.figure(compared) is not None
