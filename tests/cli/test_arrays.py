"""Images on the line that lie in an `.npz`: the way for those that no image file can hold."""

import json
import re
import textwrap

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main

MODULE = """
import jax.numpy as jnp


def four_channels():
    return lambda p, x: (x * p).sum((1, 2)), jnp.arange(1.0, 5.0), {"input_shape": (6, 5, 4)}
"""


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """A folder with a model of four channels and two images for it, where the reader is taken to be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_nets_of_frames.py").write_text(MODULE, encoding="utf-8")
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 4), np.uint8)
    np.savez("frames.npz", images=images)
    return images


def test_each_image_of_the_array_is_explained_under_its_number(frames, capsys):
    line = ["explain", "input-x-gradient", "own_nets_of_frames:four_channels", "frames.npz", "--target", "2"]
    assert main([*line, "--out", "maps.npz"]) == 0
    assert "frames.npz[1]: 2, score" in capsys.readouterr().out
    model = cv.adapt(lambda p, x: (x * p).sum((1, 2)), jnp.arange(1.0, 5.0), input_shape=(6, 5, 4))
    expected = cv.explain("input-x-gradient", model, frames / np.float32(255), 2)
    with np.load("maps.npz") as written:
        np.testing.assert_array_equal(written["values"], expected.values)


def test_json_names_them_and_several_techniques_share_a_figure(frames, capsys):
    line = ["own_nets_of_frames:four_channels", "frames.npz", "--json"]
    assert main(["explain", "saliency", *line, "--out", "one.png"]) == 0
    assert "frames.npz[0]" in json.dumps(json.loads(capsys.readouterr().out))
    assert main(["explain", "saliency,input-x-gradient", *line, "--out", "two.png"]) == 0


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"frames": np.zeros((1, 6, 5, 4), np.uint8)}, "holds no array `images`; it has frames"),
        ({"images": np.zeros((1, 6, 5, 3), np.uint8)}, r"images have shape \(1, 6, 5, 3\)"),
        ({"images": np.zeros((1, 6, 5, 4), np.int64)}, "images are int64"),
        ({"images": np.zeros((0, 6, 5, 4), np.uint8)}, "no images in 'other.npz'"),
        ({"images": np.zeros((10**12, 0, 5, 4), np.uint8)}, "no images in 'other.npz'"),
        ({"images": np.zeros((200_000, 1, 1, 4), np.uint8)}, "200,000 images in 'other.npz', at most 100,000"),
        ({"images": np.uint8(3)}, "no images in 'other.npz'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(frames, capsys, arrays, words):
    np.savez("other.npz", **arrays)
    assert main(["explain", "saliency", "own_nets_of_frames:four_channels", "other.npz"]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert re.search(words, told), told


def test_each_image_has_a_mask_of_its_own(frames, tmp_path, capsys):
    (tmp_path / "masks").mkdir()
    line = ["measure", "pointing-game", "own_nets_of_frames:four_channels", "frames.npz", "--masks", "masks", "--json"]
    line += ["--target", "2", "--technique", "input-x-gradient"]
    everything, all_but_the_strongest = np.full((2, 6, 5), 255, np.uint8)
    all_but_the_strongest[np.unravel_index(frames[1, ..., 2].argmax(), (6, 5))] = 0
    Image.fromarray(everything).save("masks/frames.npz[0].png")
    assert main(line) == 2
    assert "no mask for 'frames.npz[1]'" in capsys.readouterr().err
    Image.fromarray(all_but_the_strongest).save("masks/frames.npz[1].png")
    assert main(line) == 0
    table = json.loads(capsys.readouterr().out)["table"]
    assert [(row["image"], row["value"]) for row in table] == [("frames.npz[0]", 1.0), ("frames.npz[1]", 0.0)]


def test_a_file_that_is_no_archive_is_one_sentence(frames, tmp_path, capsys):
    (tmp_path / "broken.npz").write_bytes(b"PK not an archive")
    assert main(["explain", "saliency", "own_nets_of_frames:four_channels", "broken.npz"]) == 2
    assert "broken.npz cannot be read as .npz" in capsys.readouterr().err


def test_series_and_volumes_of_an_npz_are_surveyed_and_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = """
        import jax, jax.numpy as jnp
        import cnnviz_jax as cv

        def net(params, x):
            layout = ("NTC", "TIO", "NTC")
            x = jax.nn.relu(jax.lax.conv_general_dilated(x, params, (1,), "SAME", dimension_numbers=layout))
            return x.mean(1)

        def waves():
            return cv.adapt(net, jnp.ones((3, 2, 2)), input_shape=(12, 2))
    """
    (tmp_path / "own_nets_of_waves.py").write_text(textwrap.dedent(source), encoding="utf-8")
    np.savez("waves.npz", images=np.random.default_rng(0).random((4, 12, 2), np.float32))
    assert main(["survey", "exemplars", "own_nets_of_waves:waves", "waves.npz", "--out", "units.npz"]) == 0
    assert cv.load("units.npz").box.shape == (2, 9, 2)
    assert main(["explain", "saliency", "own_nets_of_waves:waves", "waves.npz", "--out", "maps.npz"]) == 0
    assert cv.load("maps.npz").values.shape[:2] == (4, 12)
    Image.new("L", (4, 4)).save("image.png")
    assert main(["survey", "exemplars", "own_nets_of_waves:waves", ".", "--out", "units.png"]) == 2
    assert "is a source of images, and the model takes a series of shape (12, 2)" in capsys.readouterr().err
