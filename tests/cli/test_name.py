"""`cnnviz name`: what units may be called, from the command line."""

import json

import cnnviz_jax as cv

MODEL, IMAGES = "tests.verbs.colour_network:model", "tests.verbs.colour_network:source"


def test_units_are_named_from_the_masks_that_images_bring(cnnviz, tmp_path):
    code, out, _ = cnnviz("name", MODEL, IMAGES, "--masks", "concepts", "--layer", "conv", "--units", "0:3")
    assert code == 0
    assert "conv of colours, 120 images" in out
    assert [line.split()[1] for line in out.splitlines()[2:5]] == ["red", "green", "blue"]
    assert (tmp_path / "name.png").stat().st_size > 2000
    line = ("name", MODEL, IMAGES, "--masks", "concepts", "--layer", "conv", "--units", "0:2", "--out", "names.npz")
    code, out, _ = cnnviz(*line, "--json")
    assert [row["name"] for row in json.loads(out)["table"]] == ["red", "green"]
    assert cv.load("names.npz").names == ("red", "green")


def test_mistakes_are_one_sentence(refusal):
    assert "names come from --labels or from --masks, one of them" in refusal("name", MODEL, IMAGES)
    assert "units are named over one folder, .npz, .zarr or factory, got 0" in refusal("name", MODEL)
    assert "no folder 'nowhere'" in refusal("name", MODEL, "nowhere", "--labels", "folders")
    assert "length is 1, 2 or 3, got 'x'" in refusal("name", MODEL, IMAGES, "--masks", "c", "--length", "x")
