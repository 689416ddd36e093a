"""`cnnviz dictionary` and `--dictionary`, from the line to the file."""

import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Eight small images in a folder, which is the current one's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        image = random.integers(0, 256, (8, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path


LEARN = ("dictionary", "shapes", "photos", "--layer", "conv4", "--size", "8", "--save", "kept.npz", "--seed", "3")


def test_the_command_writes_a_figure_and_keeps_the_dictionary_for_other_commands(folder, capsys):
    options = ("--method", "topk", "--k", "2", "--steps", "4", "--batch-rows", "16", "--positions", "3")
    assert main([*LEARN, *options, "--out", "learned.png"]) == 0
    assert (folder / "learned.png").stat().st_size > 5000
    kept = cv.load("kept.npz")
    assert (kept.layer, kept.directions.shape) == ("conv4", (8, 64))
    assert kept.row_count + kept.held_out_count == 8 * 3
    assert kept.provenance.config.k == 2
    explained = ("explain", "feature-maps", "shapes", "photos/0.png", "--layer", "conv4/dictionary", "--count", "2")
    assert main([*explained, "--dictionary", "kept.npz", "--out", "maps.npz"]) == 0
    assert (folder / "maps.npz").exists()
    capsys.readouterr()


def test_the_method_may_stand_anywhere_and_has_a_default(capsys):
    assert main(["dictionary", "--help"]) == 0
    text = capsys.readouterr().out
    assert "matching-pursuit" in text
    assert "`cnnviz dictionary --method TECHNIQUE --help` shows the options of one." in text
    assert main(["dictionary", "--method=nmf", "--help"]) == 0
    assert "--tolerance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("dictionary", "shapes"), "a dictionary takes one folder"),
        (("dictionary", "shapes", "nowhere"), "no folder 'nowhere'"),
        ((*LEARN, "--method", "top"), "no dictionary technique 'top'. Did you mean 'topk'?"),
        ((*LEARN, "--method"), "--method takes a name"),
        ((*LEARN, "--seeds", "0"), "seeds '0' is not a whole number, 1 or more"),
        (("explain", "saliency", "shapes", "photos/0.png", "--dictionary", "none.npz"), "no dictionary at 'none.npz'"),
    ],
)
def test_what_is_wrong_is_one_sentence(line, words, capsys):
    assert main(list(line)) == 2
    assert words in capsys.readouterr().err


def test_a_file_of_another_result_is_no_dictionary(capsys):
    assert main(["explain", "saliency", "shapes", "photos/0.png", "--out", "heat.npz"]) == 0
    line = ["explain", "saliency", "shapes", "photos/0.png", "--dictionary", "heat.npz"]
    assert main(line) == 2
    assert "'heat.npz' holds a Attribution; `cnnviz dictionary` keeps dictionaries" in capsys.readouterr().err
