"""Relevance maximisation: published numbers, every image alone, batches, classes, refusals."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import TargetError, UsageError
from tests.explain import known_networks as known


def survey(net, images=known.FOUR, **options):
    return cv.survey("relevance-maximization", net, images, **{"layer": "conv2", "k": 4, **options})


@pytest.fixture(scope="module")
def by_sum():
    return survey(known.net_c("nchw"), batch=3)


def flat(found):
    return found.place @ [2, 1]


def test_sums_equal_the_numbers_of_zennit_crp(by_sum):
    assert by_sum.id.tolist() == [[1, 3, 0, 2], [2, 0, 3, 1]]
    expected = [[0.8617321, 0.3691428, 0.2405012, 0.1681602], [0.8318398, 0.7594988, 0.6308572, -0.1382679]]
    np.testing.assert_allclose(by_sum.value, expected, atol=5e-6)
    assert flat(by_sum).tolist() == [[0, 0, 2, 2], [0, 0, 1, 0]]


def test_maxima_of_activations_equal_the_numbers_of_zennit_crp():
    found = cv.survey("exemplars", known.net_c(), known.FOUR, layer="conv2", k=4)
    assert found.id.tolist() == [[1, 3, 0, 2], [2, 0, 1, 3]]
    expected = [[2.5424015, 1.6812432, 1.3794936, 0.912276], [1.6133946, 1.5221883, 1.2828623, 1.1005901]]
    np.testing.assert_allclose(found.value, expected, atol=2e-6)
    assert flat(found).tolist() == [[0, 0, 2, 2], [0, 0, 1, 1]]


def test_class_means_are_those_of_the_images_predicted_there(by_sum):
    # X4 is predicted as 1, 0, 1, 1.
    each = np.zeros((4, 2))
    for unit in range(2):
        each[by_sum.id[unit], unit] = by_sum.value[unit]
    expected = np.stack([each[1], each[[0, 2, 3]].mean(0), np.zeros(2)])
    np.testing.assert_allclose(by_sum.class_means, expected, rtol=1e-6)
    assert by_sum.fired.tolist() == (each > 0).sum(0).tolist()
    assert by_sum.class_names == ("0", "1", "2")


def test_a_named_class_without_normalisation_is_each_images_own_relevance():
    found = survey(known.net_c(), target=2, statistic="max", abs_norm=False)
    maps = np.asarray(
        cv.explain("lrp", known.net_c(), known.FOUR, 2, at="conv2").values
    )  # the same relevance, by the way that LRP at a layer takes
    most = maps.max((1, 2))
    for unit in range(2):
        order = np.argsort(-most[:, unit], kind="stable")
        np.testing.assert_allclose(found.value[unit], most[order, unit], atol=1e-6)
        assert found.id[unit, 0] == order[0]
    assert found.class_means[:2].any() == np.False_


def test_its_figure_names_the_class_and_a_unit_without_sense_is_refused(by_sum):
    figure = cv.figure(by_sum)
    words = " ".join(text.get_text() for text in figure.texts)
    assert "relevance-maximization of conv2" in words
    assert "mattered most" in words
    assert "strongest class: 1" in words
    with pytest.raises(UsageError, match="units 0 to 1, got 5"):
        survey(known.net_c(), units=(5,))
    with pytest.raises(TargetError, match="class 9 is out of range"):
        survey(known.net_c(), target=9)
    with pytest.raises(UsageError, match="'input' is the image itself"):
        survey(known.net_c(), layer="input")
