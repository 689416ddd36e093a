"""Features of a dictionary have pages like units, with what they add to the layer below."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import cnnviz_jax as cv
from cnnviz_jax.errors import UsageError
from tests.explorer.sites import images, labels, model

FEATURES = "deep.dictionary"


@pytest.fixture(scope="module")
def wider():
    options = {"size": 24, "k": 4, "steps": 20, "batch_rows": 64}
    found = cv.learn_dictionary("topk", model(), images(), layer="deep", key=0, progress=False, **options)
    return model().with_dictionary(found)


@pytest.fixture(scope="module")
def site(wider, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "site"
    return cv.explore(wider, images(), out, labels(), layers=["deep", FEATURES], batch=4, synthesis="top:1", key=0)


def test_features_have_exemplars_with_exact_boxes_as_the_survey_of_codes_has_them(site, wider):
    found = cv.survey("exemplars", wider, images(), labels(), layer=FEATURES, batch=4)
    assert site.layer(FEATURES)["units"] == 24
    for feature in range(24):
        tiles = site.unit(FEATURES, feature).tiles("exemplars")
        assert [tile["image"] for tile in tiles] == [number for number in found.id[feature] if number >= 0]
        assert [np.float32(tile["value"]) for tile in tiles] == list(found.value[feature][: len(tiles)])
        assert [tile["box"] for tile in tiles] == found.box[feature][: len(tiles)].tolist()
    assert np.isfinite(found.value[:, 0]).any()


def test_a_feature_shows_what_it_adds_and_a_unit_the_features_that_add_to_it(site, wider):
    directions = np.asarray(wider.codes[0].codec.directions)
    added = site.unit(FEATURES, 5).panels["dictionary"][1]["rows"]
    assert [row[1] for row in added] == np.argsort(-np.abs(directions[5]), kind="stable")[:8].tolist()
    assert [np.float32(row[2]) for row in added] == list(directions[5][[row[1] for row in added]])
    assert {row[0] for row in added} == {"deep"}
    of_unit = site.unit("deep", 3).panels["dictionary"][0]["rows"]
    assert of_unit[0][0] == FEATURES
    assert abs(of_unit[0][2]) == pytest.approx(np.abs(directions[:, 3]).max())
    cosines = site.unit(FEATURES, 5).panels["dictionary"][2]["rows"]
    lengths = np.linalg.norm(directions, axis=1)
    for _, other, cosine in cosines:
        assert cosine == pytest.approx(directions[5] @ directions[other] / (lengths[5] * lengths[other]), rel=1e-5)


def test_the_network_has_the_dictionary_behind_its_layer(site):
    rows = {row["name"]: row for row in site.summary["layers"]}
    assert rows[FEATURES]["inputs"] == ["deep"]
    assert rows[FEATURES]["kind"] == "dictionary"
    assert [*rows].index(FEATURES) == [*rows].index("deep") + 1


def test_an_image_is_made_for_a_feature_too(site):
    (feature,) = (unit for group in site.layer(FEATURES)["synthesis"].values() for unit in group)
    shown = site.unit(FEATURES, feature).synthesis
    assert shown["status"] == "ok"
    assert shown["ratio"] == pytest.approx(shown["peak"] / site.layer(FEATURES)["maximum"][feature])


def test_a_site_of_another_dictionary_is_refused(site, wider):
    codes = wider.codes[0]
    turned = dataclasses.replace(codes, codec=dataclasses.replace(codes.codec, directions=-codes.codec.directions))
    other = dataclasses.replace(wider, codes=(turned,))
    with pytest.raises(UsageError, match="holds a site of other weights"):
        cv.explore(other, images(), Path(site.folder.root), labels(), layers=["deep", FEATURES], batch=4)


def test_usual_layers_have_the_features_among_them(wider):
    from cnnviz_jax.site.network import chosen_layers

    assert FEATURES in chosen_layers(wider, None)
    assert f"{FEATURES}.pre" not in chosen_layers(wider, None)
