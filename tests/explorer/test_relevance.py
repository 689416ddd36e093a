"""A panel on request: the images in which a unit mattered most, as the survey finds them."""

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explorer.sites import explore, images, labels, made, model


def test_it_is_shown_where_it_is_asked_for_and_is_what_the_survey_finds(tmp_path):
    site = explore(tmp_path / "site", layers="deep", detail="light", panels=["relevance"])
    names = [panel["name"] for panel in site.summary["panels"]]
    assert names[:2] == ["exemplars", "relevance"]
    found = cv.survey("relevance-maximization", model(), images(), labels(), layer="deep", batch=4)
    for unit in range(20):
        shown = site.unit("deep", unit)
        tiles = shown.tiles("relevance")
        if not tiles:
            assert shown.panels["relevance"][0]["text"].startswith("No relevance")
            assert not (found.value[unit] > 0).any()
            continue
        assert [tile["image"] for tile in tiles] == [number for number in found.id[unit] if number >= 0]
        np.testing.assert_allclose([tile["value"] for tile in tiles], found.value[unit][: len(tiles)], rtol=1e-5)
    assert sum(bool(site.unit("deep", unit).tiles("relevance")) for unit in range(20)) >= 5


def test_elsewhere_it_is_not_and_another_name_is_refused(tmp_path):
    assert "relevance" not in [panel["name"] for panel in made().summary["panels"]]
    with pytest.raises(
        UsageError, match=r"no panel 'relevanse'\. Did you mean 'relevance'\? `cnnviz panels` lists them"
    ):
        explore(tmp_path / "site", panels=["relevanse"])
    assert not (tmp_path / "site").exists()
    site = explore(tmp_path / "site", layers="head", detail="light")
    with pytest.raises(UsageError, match="holds a site of other panels"):
        explore(tmp_path / "site", layers="head", detail="light", panels=["relevance"])
    assert site.is_complete
