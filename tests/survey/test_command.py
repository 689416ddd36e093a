"""`cnnviz survey`: the figure of the lecture is one command."""

import numpy as np
import pytest
from PIL import Image

from cnnviz_jax.cli import main
from cnnviz_jax.cli.technique_options import with_units_apart
from cnnviz_jax.errors import UsageError

from .planted_network import some_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images of two classes in folders; the test runs beside them."""
    monkeypatch.chdir(tmp_path)
    for i, image in enumerate(some_images(6)):
        (tmp_path / "set" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / "set" / "ab"[i % 2] / f"{i}.png")
    (tmp_path / "set" / "a" / "broken.png").write_bytes(b"no image")
    return tmp_path


def test_units_are_numbers_and_ranges_joined_by_commas():
    assert with_units_apart(["--units", "3,17,40", "--k", "4"]) == ["--units", "3", "17", "40", "--k", "4"]
    assert with_units_apart(["--units=0:3"]) == ["--units", "0", "1", "2"]
    assert with_units_apart(["--units", "3", "5"]) == ["--units", "3", "5"]
    with pytest.raises(UsageError, match="units '3,x' is not a list"):
        with_units_apart(["--units", "3,x"])


def test_a_folder_becomes_the_figure_and_broken_images_are_told(folder, capsys):
    line = [
        "survey",
        "exemplars",
        "tests.survey.planted_network:model",
        "set",
        "--layer",
        "conv",
        "--units",
        "3,17,30",
        "--k",
        "2",
    ]
    assert main([*line, "--labels", "folders", "--out", "exemplars.png", "--renderer", "figure"]) == 0
    out, err = capsys.readouterr()
    assert "wrote exemplars.png" in out
    assert "1 images could not be read, such as a/broken.png" in err
    assert (folder / "exemplars.png").stat().st_size > 2000


def test_a_survey_without_a_folder_is_refused(folder, capsys):
    assert main(["survey", "exemplars", "tests.survey.planted_network:model"]) == 2
    assert (
        "a survey takes one folder, .npz, .zarr or package.module:factory of images, got 0" in capsys.readouterr().err
    )
    assert main(["survey", "exemplars", "tests.survey.planted_network:model", "nowhere"]) == 2
    assert "no folder 'nowhere'" in capsys.readouterr().err
