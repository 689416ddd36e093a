"""The adapter and the renderer that the page on plugins shows work as a plugin file."""

import csv
import sys

import jax
import numpy as np
import pytest
from PIL import Image

import cnnviz_jax as cv
from cnnviz_jax.cli import main
from cnnviz_jax.plugins import plugins, reset_plugins

from .pages import DOCS

FILE = DOCS / "examples" / "own_framework.py"
MODULE = """
import sys

import jax

import cnnviz_jax as cv


class Stack:
    kernels = [jax.random.normal(jax.random.key(0), (3, 3, 3, 4))]
    head = jax.random.normal(jax.random.key(1), (4, 2))


def make():
    return cv.adapt(Stack(), input_shape=(8, 8, 3))
"""


@pytest.fixture(autouse=True)
def registry(tmp_path, monkeypatch):
    """The plugin file loaded, in a folder with an image and a module of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "stacks.py").write_text(MODULE)
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save("photo.png")
    reset_plugins()
    plugins().load_file(str(FILE))
    yield
    sys.modules.pop("stacks", None)
    reset_plugins()


def test_the_page_shows_the_whole_file():
    assert "examples/own_framework.py" in (DOCS / "plugins.md").read_text(encoding="utf-8")


def test_its_adapter_gives_layers_and_the_frameworks_own_numbers(monkeypatch):
    monkeypatch.syspath_prepend(".")
    import stacks

    model = stacks.make()
    assert [layer.name for layer in model.layers.values() if layer.kind == "conv"] == ["conv0"]
    assert model.params["head"].shape == (4, 2)
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    kernel, head = stacks.Stack.kernels[0], stacks.Stack.head
    mixed = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(model(images), jax.nn.relu(mixed).mean((1, 2)) @ head, rtol=1e-5)
    with pytest.raises(cv.errors.ModelError, match="takes nothing else, got 1 more"):
        cv.adapt(stacks.Stack(), {}, input_shape=(8, 8, 3))


def test_its_renderer_writes_the_strongest_pixels_from_the_command_line(capsys):
    line = ["explain", "saliency", "stacks:make", "photo.png", "--target", "1", "--out", "top.csv", "--pixels", "2"]
    assert main(["--plugin", str(FILE), *line]) == 0, capsys.readouterr().err
    with open("top.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["photo.png"] * 2
    assert rows[0]["technique"] == "saliency"
    first, second = (abs(float(row["value"])) for row in rows)
    assert first >= second > 0
