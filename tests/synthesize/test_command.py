"""`cnnviz synthesize`: the grid and what is written beside it."""

import json

import numpy as np
from PIL import Image

from cnnviz_jax.cli import main

MODEL = "tests.explain.small_network:model"
LINE = ["synthesize", MODEL, "--channels", "0:2", "--size", "12", "--steps", "3", "--snapshots", "3"]


def test_two_layers_make_two_blocks_with_files_beside(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*LINE, "--layer", "conv1,conv2", "--out", "grid.png"]) == 0, capsys.readouterr().err
    assert "beside it: grid.json, grid.gif, grid-units" in capsys.readouterr().out
    with Image.open("grid.png") as grid, Image.open("grid.gif") as film:
        assert grid.size == film.size == (2 * (12 + 5 + 12) + 20, 12)
        assert film.n_frames == 3
        whole = np.asarray(grid.convert("RGB"))
    names = sorted(path.name for path in (tmp_path / "grid-units").glob("*.png"))
    assert names[0] == "0000-conv1-channel-0.png"
    assert len(names) == 4
    with Image.open(tmp_path / "grid-units" / names[1]) as one:
        np.testing.assert_array_equal(np.asarray(one.convert("RGB")), whole[:, 17:29])
    found = json.loads((tmp_path / "grid.json").read_text())
    assert [len(image["curve"]) for image in found["images"]] == [3] * 4
    assert len(list((tmp_path / "grid-units" / "finished").glob("*.npz"))) == 4


def test_one_layer_makes_a_figure_with_labels_and_the_grid_where_it_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*LINE, "--layer", "conv1", "--out", "a.png"]) == 0, capsys.readouterr().err
    assert main([*LINE, "--layer", "conv1", "--out", "b.png", "--renderer", "grid"]) == 0, capsys.readouterr().err
    with Image.open("a.png") as labelled, Image.open("b.png") as grid:
        assert labelled.width > 400
        assert grid.size == (12 + 5 + 12, 12)
    for name in ("a", "b"):
        assert {f"{name}.json", f"{name}.gif", f"{name}-units"} <= {path.name for path in tmp_path.iterdir()}
