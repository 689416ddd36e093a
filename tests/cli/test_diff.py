"""`cnnviz diff`: two networks, or a training, from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from tests.verbs.pair_networks import network, some_images

ONE, TWO = "tests.verbs.pair_networks:network", "tests.verbs.pair_networks:permuted"


@pytest.fixture
def folder(tmp_path):
    for k, image in enumerate(some_images(6)):
        (tmp_path / "set" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / "set" / "ab"[k % 2] / f"{k}.png")
    return tmp_path


def test_two_networks_give_a_table_a_figure_and_json(cnnviz, folder):
    code, out, _ = cnnviz("diff", ONE, TWO, "set", "--labels", "folders", "--out", "found.png")
    assert code == 0
    assert "one (a) against two (b), 6 images: churn 0.0000, accuracy" in out
    assert out.splitlines()[1].split()[:2] == ["layer", "partner"]
    assert (folder / "found.png").stat().st_size > 2000
    code, out, _ = cnnviz("diff", ONE, TWO, "set", "--layers", "conv1", "--other-layers", "stem", "--json")
    found = json.loads(out)
    assert found["churn"] == 0
    assert sorted(found["images"]) == list(range(6))
    assert [row["partner"] for row in found["table"]] == ["stem"]


def test_where_a_change_acts_and_what_one_network_has_alone_stand_in_the_table_and_the_figure(cnnviz, folder):
    for k, image in enumerate(some_images(12)[6:]):
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / "set" / "a" / f"more{k}.png")
    other = "tests.verbs.pair_networks:other"
    code, out, _ = cnnviz("diff", ONE, other, "set", "--swap", "--concepts", "2", "--json", "--out", "found.png")
    rows = json.loads(out)["table"]
    assert code == 0
    assert rows[-1]["swap_churn"] == 0  # with the scores of the first, answers are the first one's
    assert all(row["concepts_only_a"] + row["concepts_only_b"] >= 0 for row in rows)
    assert (folder / "found.png").stat().st_size > 2000
    plain = json.loads(cnnviz("diff", ONE, other, "set", "--json")[1])["table"][0]
    assert not {"swap_churn", "concepts_only_a"} & plain.keys()


def test_what_it_wrote_can_be_loaded(cnnviz, folder):
    assert cnnviz("diff", ONE, TWO, "set", "--quiet", "--out", "found.npz") == (0, "", "")
    kept = cv.load("found.npz")
    assert kept.layers_b == ("stem", "body", "classifier")
    np.testing.assert_allclose(np.diagonal(kept.cka), 1, rtol=1e-4)


def test_a_training_is_compared_step_by_step(cnnviz, folder):
    recorder = cv.Recorder("run")
    for seed in range(2):
        recorder.save(seed, network(seed).params)
    code, out, _ = cnnviz("diff", "--training", "run", ONE, "set", "--out", "drift.png")
    assert code == 0
    assert "wrote drift.png" in out
    assert (folder / "drift.png").stat().st_size > 2000


def test_mistakes_are_one_sentence(refusal, folder):
    assert "say which model: 'set' is an image or a folder; write cnnviz diff A B IMAGES" in refusal("diff", ONE, "set")
    assert "no model 'nothing'" in refusal("diff", ONE, "nothing", "set")
    assert "--training takes the folder of a cv.Recorder" in refusal("diff", "--training", "no", ONE, "set")
    assert "give both" in refusal("diff", ONE, TWO, "set", "--other-layers", "stem")
    assert "concepts 'x' is not a whole number" in refusal("diff", ONE, TWO, "set", "--concepts", "x")
    assert "--labels needs one folder" in refusal("diff", ONE, TWO, "set/a/0.png", "set/b/1.png", "--labels", "folders")
    assert "no weights at 'gone.npz'" in refusal("diff", "shapes", "shapes", "set", "--other-weights", "gone.npz")
    assert "no images, and none come with the model" in refusal("diff", ONE, TWO)
