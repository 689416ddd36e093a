"""`cnnviz find-shortcuts`: classes that rest on what is no part of their object, from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from tests.verbs.spot_network import CLASSES, dictionary, model, scenes

MODEL, IMAGES = "tests.verbs.spot_network:model", "tests.verbs.spot_network:source"
LINE = ("find-shortcuts", MODEL, IMAGES, "--dictionary", "features.npz", "--most", "1")


@pytest.fixture(autouse=True)
def features(tmp_path):
    cv.save(dictionary(), tmp_path / "features.npz")
    return tmp_path


def test_the_class_that_rests_on_the_spot_raises_the_alarm(cnnviz, features):
    code, out, _ = cnnviz(*LINE, "--masks", "mask", "--out", "found.png")
    assert code == 0
    assert out.splitlines()[0].rstrip() == "relu of spot, 20 images held out"
    assert out.splitlines()[2].split()[0] == "red"
    assert "classes with a shortcut: red" in out
    assert (features / "found.png").stat().st_size > 2000
    code, out, _ = cnnviz(*LINE, "--masks", "mask", "--json", "--out", "found.npz")
    found = json.loads(out)
    assert found["alarms"] == ["red"]
    assert [row["class"] for row in found["table"]] == ["red", "green"]
    kept = cv.load("found.npz")
    images, labels, masks = scenes()
    plain = cv.find_shortcuts(model(), dictionary(), images, labels, mask=masks, most=1, progress=False)
    np.testing.assert_array_equal(kept.outside, plain.outside)
    assert kept.alarms == plain.alarms


def test_folders_called_like_the_classes_are_these_whatever_their_order_and_masks_are_files(cnnviz, features):
    for k, (image, label, mask) in enumerate(zip(*scenes(), strict=True)):
        for kind, pixels in (("set", image), ("masks", mask)):
            folder = features / kind / CLASSES[label]  # green comes before red here, and behind it in the network
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{k}.png")
    (features / "set" / "red" / "broken.png").write_bytes(b"no image")
    Image.new("L", (12, 12)).save(features / "masks" / "red" / "broken.png")
    line = ("find-shortcuts", MODEL, "set", "--dictionary", "features.npz", "--labels", "folders", "--most", "1")
    code, out, _ = cnnviz(*line, "--masks", "masks", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["alarms"] == ["red"]
    assert found["table"][0]["accuracy"] == found["table"][1]["accuracy"] == 1
    assert any("1 images could not be read" in text for text in found["warnings"])


def test_without_masks_there_is_the_order_and_no_alarm(cnnviz):
    code, out, _ = cnnviz(*LINE, "--json")
    found = json.loads(out)
    assert (code, found["alarms"]) == (0, [])
    assert any("no alarms" in text for text in found["warnings"])


def test_mistakes_are_one_sentence(refusal, features):
    assert "features are missing: --dictionary FILE" in refusal("find-shortcuts", MODEL, IMAGES)
    assert "in one folder, .npz, .zarr or factory, got 0" in refusal("find-shortcuts", MODEL)
    assert "no folder 'nowhere'" in refusal("find-shortcuts", MODEL, "nowhere", "--dictionary", "features.npz")
    assert "loss 'much' is not a number" in refusal(*LINE, "--loss", "much")
    assert "come without 'masks'; they have label, mask" in refusal(*LINE, "--masks", "masks")
    assert "most '0' is not a whole number" in refusal(*LINE[:-1], "0")
    np.savez(features / "plain.npz", images=scenes()[0])
    line = ("find-shortcuts", MODEL, "plain.npz", "--dictionary", "features.npz")
    assert "plain.npz comes without classes" in refusal(*line)
    assert "no dictionary at 'gone.npz'" in refusal(*LINE[:3], "--dictionary", "gone.npz")
