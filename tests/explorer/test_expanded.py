"""The weights through layers between two layers with pages, as the pages show them."""

import numpy as np
import pytest

import cnnviz_jax as cv
from tests.explorer.sites import explore, made, model


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A site whose pages are of two layers with a kernel and a sum between them."""
    return explore(tmp_path_factory.mktemp("far") / "site", layers=["stem", "deep"], detail="light")


def test_they_are_those_that_the_library_gives(far):
    weights = cv.expanded_weights(model(), "deep", "stem")
    (fed, _note) = far.unit("deep", 3).panels["expanded"]
    assert fed["title"] == "Fed by stem, 5 × 5"
    lengths = np.sqrt((weights[3] ** 2).sum((0, 1)))
    assert [row[:2] for row in fed["rows"]] == [["stem", int(unit)] for unit in np.argsort(-lengths)]
    np.testing.assert_allclose([row[2] for row in fed["rows"]], np.sort(lengths)[::-1], rtol=1e-6)
    np.testing.assert_allclose(fed["rows"][0][3], weights[3, ..., lengths.argmax()], rtol=1e-5)
    (feeds, _note) = far.unit("stem", 2).panels["expanded"]
    lengths = np.sqrt((weights[..., 2] ** 2).sum((1, 2)))
    assert feeds["title"] == "Feeds deep, 5 × 5"
    assert [row[1] for row in feeds["rows"]] == np.argsort(-lengths, kind="stable")[:6].tolist()


def test_where_one_kernel_alone_stands_between_there_is_none():
    assert not any("expanded" in made().unit(layer, unit).panels for layer, unit in made().units())
